"""The thread on the screen: its events, its state, and which questions were answered."""

from __future__ import annotations

import time
from collections.abc import Mapping

from messagedb_agent.events import agent, system, user
from messagedb_agent.events.base import Event, JSONObject
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.projections.transcript import files_in
from messagedb_agent.projections.usage import USAGE
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tui.activity import Activity, activity, facts, price
from messagedb_agent.tui.messages import Arrived
from messagedb_agent.tui.presenter import Presenter
from messagedb_agent.tui.text import one_line

RECENT_SECONDS = 20.0
BROKEN_OFF = "broken off here; not recorded"
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
        self.carried: tuple[JSONObject, ...] = ()
        self._usage = USAGE.initial
        self._heard_at: float | None = None
        self._is_greeted = False

    def greet(self, text: str) -> None:
        """Say something in a thread that has no events yet."""
        self.presenter.note("system", text)
        self._is_greeted = True

    def carry(self, files: tuple[JSONObject, ...]) -> None:
        """Send these files along with the next message; they were sent with the one it replaces."""
        self.carried = files
        for line in files_in(files):
            self.presenter.note("system", f"{line} goes along with the next message")

    def take(self, message: Arrived, streamed: str = "") -> set[int]:
        """Add events, and what was `streamed` where they break it off; the entries that changed."""
        if self.state is not None and message.records:
            self._heard_at = time.monotonic()
        self.state = message.state
        # What a fork shares was paid for by the other thread.
        own = [r.event for r in message.records if r.stream_name == self.stream_name]
        self._usage = USAGE.fold(own, start=self._usage)
        if any(isinstance(event, user.UserMessageAdded) for event in own):
            self.carried = ()
        if message.records and self._is_greeted:
            self._is_greeted = False
            del self.presenter.entries[0]
        at = _end_of_answer(message)
        if at is None or not _breaks_off(message.records[at].event):
            return self.presenter.take(message.records)
        changed = self.presenter.take(message.records[:at])
        changed |= self.keep(streamed)
        return changed | self.presenter.take(message.records[at:])

    def keep(self, streamed: str) -> set[int]:
        """Show the beginning of an answer that is in no event."""
        if not streamed.strip():
            return set()
        return self.presenter.note("partial", streamed, BROKEN_OFF)

    def progress(self, told: Mapping[str, str]) -> set[int]:
        """Show what tools tell while they run, by the ids of their calls."""
        return set().union(*(self.presenter.progress(*each) for each in told.items()))

    @staticmethod
    def ends_answer(message: Arrived) -> bool:
        """Whether these events take the place of what was streamed."""
        return _end_of_answer(message) is not None

    def facts(self, costs: Mapping[str, float | None]) -> list[str]:
        """Tokens, cost and step, as far as they are known."""
        known = self.stream_name in costs
        cost = price(costs[self.stream_name]) if known else ""
        return facts(self.state, self._usage.total_tokens, cost)

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


def _end_of_answer(message: Arrived) -> int | None:
    for index, record in enumerate(message.records):
        if isinstance(record.event, _ENDS_OF_ANSWERS):
            return index
    return None


def _breaks_off(event: Event) -> bool:
    """Whether there will be no answer, so that its beginning is worth keeping."""
    if isinstance(event, agent.LLMCallFailed):
        return event.error_type == "interrupted" or not event.retryable
    return isinstance(event, system.TurnInterrupted)


def key_of(call: CallState) -> CallKey:
    """Which question a call asks; one that was interrupted may be asked about again."""
    return call.call.id, call.attempts
