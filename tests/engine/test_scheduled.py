"""Messages for later that somebody takes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messagedb_agent.engine.scheduled import unschedule
from messagedb_agent.engine.session import add_message, read_state, start_session
from messagedb_agent.engine.settle import settle
from messagedb_agent.errors import UsageError
from messagedb_agent.events import MessageScheduled, MessageUnscheduled, UserMessageAdded
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.wrapper import StoreWrapper
from tests.engine.helpers import events_of, kinds_of

DUE = datetime.now(UTC) + timedelta(hours=1)


def scheduled(store: EventStore, stream: str, *messages: str) -> list[str]:
    """A thread with messages for later; their ids."""
    start_session(store, "Go.", thread_id=stream.partition("-")[2], category="engine")
    for message in messages:
        add_message(store, stream, message, due_at=DUE)
    return [it.schedule_id for it in events_of(store, stream) if isinstance(it, MessageScheduled)]


def said(store: EventStore, stream: str) -> list[str]:
    return [it.message for it in events_of(store, stream) if isinstance(it, UserMessageAdded)]


def test_what_was_taken_back_is_never_added(memory: MemoryStore, stream: str) -> None:
    first, second = scheduled(memory, stream, "One.", "Two.")

    (taken,) = unschedule(memory, stream, first[:13], "it rains")
    settle(memory, stream, lambda: DUE)

    assert taken.message == "One."
    assert said(memory, stream) == ["Go.", "Two."]
    assert MessageUnscheduled(schedule_id=first, reason="it rains") in events_of(memory, stream)
    assert second not in [it.schedule_id for it in read_state(memory, stream).schedule]


def test_all_are_taken_back_when_none_is_named(memory: MemoryStore, stream: str) -> None:
    scheduled(memory, stream, "One.", "Two.")

    assert [it.message for it in unschedule(memory, stream)] == ["One.", "Two."]
    assert read_state(memory, stream).schedule == ()
    with pytest.raises(UsageError, match="no message of this thread waits"):
        unschedule(memory, stream)


def test_a_name_that_fits_none_or_several_takes_nothing_back(
    memory: MemoryStore, stream: str
) -> None:
    scheduled(memory, stream, "One.", "Two.")

    for name in ("", "nobody"):
        with pytest.raises(UsageError, match="names no single scheduled message"):
            unschedule(memory, stream, name)
    assert kinds_of(memory, stream)[-1] == "MessageScheduled"


def test_a_message_is_added_or_taken_back_but_not_both(memory: MemoryStore, stream: str) -> None:
    class TooLate(StoreWrapper[MemoryStore]):
        def append(self, *arguments: Any, **more: Any) -> tuple[RecordedEvent, ...]:
            settle(self.store, stream, lambda: DUE)
            return super().append(*arguments, **more)

    scheduled(memory, stream, "One.")

    with pytest.raises(UsageError, match="meanwhile"):
        unschedule(TooLate(memory), stream)
    assert kinds_of(memory, stream)[-1] == "UserMessageAdded"
