"""What a follower makes of what it hears before it has read what that is about."""

from __future__ import annotations

import threading
from typing import cast

from messagedb_agent.engine.follow import Follower
from messagedb_agent.engine.live import PROGRESS, Ears, Piece
from messagedb_agent.events import (
    Event,
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolCall,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.base import ToolProgress

STREAM = "agent:v0-t"


class Hearsay:
    """Ears that hear these pieces."""

    def __init__(self, *pieces: Piece) -> None:
        self._pieces = pieces

    def wait(self, _timeout: float) -> tuple[Piece, ...]:
        return self._pieces


def write(store: MemoryStore, *events: Event) -> None:
    store.append(STREAM, [NewEvent(event=event) for event in events])


def test_what_a_tool_tells_before_its_call_was_read_is_passed_on() -> None:
    store, told = MemoryStore(), list[ToolProgress]()
    said = Piece(2, 0, "1 of 2", PROGRESS, "c", "climb")
    ears = cast("Ears", Hearsay(said))
    follower = Follower(store, STREAM, (), ears=ears, on_progress=told.append)
    write(store, SessionStarted(thread_id="t"), UserMessageAdded(message="go up"))
    write(store, LLMCallRequested(model_name="m"))
    follower.look()
    write(
        store,
        LLMResponseReceived(model_name="m", tool_calls=(ToolCall("c", "climb", {}),)),
        ToolExecutionRequested(tool_name="climb", tool_call_id="c"),
    )

    follower.pause(0, threading.Event())

    assert told == [ToolProgress("c", "climb", "1 of 2")]
