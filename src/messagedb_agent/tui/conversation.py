"""The thread on the screen: its events, its state, and which questions were answered."""

from __future__ import annotations

import time

from messagedb_agent.events import agent, system
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tui.activity import Activity, activity
from messagedb_agent.tui.messages import Arrived
from messagedb_agent.tui.presenter import Presenter
from messagedb_agent.tui.text import one_line

RECENT_SECONDS = 20.0
_ENDS_OF_ANSWERS = (agent.LLMResponseReceived, agent.LLMCallFailed, system.TurnInterrupted)

CallKey = tuple[str, int]


class Conversation:
    """One thread as the screen knows it."""

    def __init__(self, stream_name: str) -> None:
        self.stream_name = stream_name
        self.thread_id = parse_stream_name(stream_name).thread_id
        self.presenter = Presenter()
        self.state: ThreadState | None = None
        self.settled: set[CallKey] = set()
        self._heard_at: float | None = None
        self._is_greeted = False

    def greet(self, text: str) -> None:
        """Say something in a thread that has no events yet."""
        self.presenter.note("system", text)
        self._is_greeted = True

    def take(self, message: Arrived) -> set[int]:
        """Add events; the entries that changed."""
        if self.state is not None and message.records:
            self._heard_at = time.monotonic()
        self.state = message.state
        if message.records and self._is_greeted:
            self._is_greeted = False
            del self.presenter.entries[0]
        return self.presenter.take(message.records)

    @staticmethod
    def ends_answer(message: Arrived) -> bool:
        """Whether these events take the place of what was streamed."""
        return any(isinstance(record.event, _ENDS_OF_ANSWERS) for record in message.records)

    def activity(self, *, driving: bool) -> Activity:
        """What goes on in the thread."""
        recent = self._heard_at is not None and time.monotonic() - self._heard_at < RECENT_SECONDS
        return activity(self.state, driving=driving, recent=recent)

    @property
    def title(self) -> str:
        """What to call the thread."""
        name = self.state.session.title if self.state else None
        said = next((item.text for item in self.presenter.entries if item.kind == "user"), None)
        return one_line(name or said or ("new thread" if self.state else "…"), 70)

    def open_questions(self) -> list[CallState]:
        """The calls that wait for a person who has not decided or put them off."""
        pending = self.state.calls.pending if self.state else ()
        return [call for call in pending if key_of(call) not in self.settled]


def key_of(call: CallState) -> CallKey:
    """Which question a call asks; one that was interrupted may be asked about again."""
    return call.call.id, call.attempts
