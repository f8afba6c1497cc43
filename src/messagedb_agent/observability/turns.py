"""Where turns begin and end in a stream, and which steps of the current one have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from messagedb_agent.events.agent import LLMCallFailed, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.system import LimitReached, SessionCompleted, TurnInterrupted
from messagedb_agent.events.tool import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.user import ToolExecutionRejected, TurnResumed, UserMessageAdded

MODEL = ""
"""The key of the model step among the steps of a turn; tool steps have the id of their call."""


class EndedStep(NamedTuple):
    """A claim and its outcome; None when another claim took its place."""

    claim: RecordedEvent
    outcome: RecordedEvent | None


class Steps:
    """Pairs claims with outcomes, event by event."""

    def __init__(self) -> None:
        self.open: dict[str, RecordedEvent] = {}

    def see(self, record: RecordedEvent) -> EndedStep | None:
        """Take in one event; the step that it ends, if any."""
        match record.event:
            case LLMCallRequested():
                return self._claim(MODEL, record)
            case ToolExecutionRequested() as event:
                return self._claim(event.call_id or event.tool_name, record)
            case LLMResponseReceived() | LLMCallFailed():
                return self._conclude(MODEL, record)
            case ToolExecutionCompleted() | ToolExecutionFailed() as event:
                return self._conclude(event.call_id or event.tool_name, record)
            case ToolExecutionRejected() as event:
                return self._conclude(event.tool_call_id or event.tool_name, record)
            case _:
                return None

    def _claim(self, key: str, record: RecordedEvent) -> EndedStep | None:
        before = self.open.get(key)
        self.open[key] = record
        return None if before is None else EndedStep(before, None)

    def _conclude(self, key: str, record: RecordedEvent) -> EndedStep | None:
        claim = self.open.pop(key, None)
        return None if claim is None else EndedStep(claim, record)


def steps_of(records: Iterable[RecordedEvent]) -> tuple[list[EndedStep], list[RecordedEvent]]:
    """The ended steps, and the claims that are still open."""
    steps = Steps()
    ended = [step for step in map(steps.see, records) if step is not None]
    return ended, list(steps.open.values())


class TurnTracker:
    """
    Follows a stream from turn to turn.

    `began` is the user message that began the latest turn, `records` are its events so far,
    and `stop` says how it ended, or is None while it goes on. A message that arrives during a turn
    belongs to it; one that arrives after a halt begins the next.
    """

    def __init__(self) -> None:
        self.began: RecordedEvent | None = None
        self.records: list[RecordedEvent] = []
        self.stop: str | None = "new"
        self._claimed = False
        self._late = False

    def see(self, record: RecordedEvent) -> bool:
        """Take in one event; whether it began a turn."""
        handler = self._HANDLERS.get(type(record.event))
        begins = self.stop is not None and isinstance(record.event, UserMessageAdded)
        if begins:
            self.began, self.records, self._claimed = record, [], False
        self.records.append(record)
        if handler is not None:
            handler(self, record.event)
        return begins

    def _message(self, _event: UserMessageAdded) -> None:
        self.stop, self._late = None, self._claimed

    def _resume(self, _event: TurnResumed) -> None:
        self.stop = None

    def _claim(self, _event: LLMCallRequested) -> None:
        self.stop, self._claimed, self._late = None, True, False

    def _answer(self, event: LLMResponseReceived) -> None:
        self._claimed = False
        if not (event.tool_calls or self._late or event.stop_reason == "pause"):
            self.stop = "done"

    def _fail(self, event: LLMCallFailed) -> None:
        self._claimed = False
        if not event.retryable:
            self.stop = "failed"

    def _halt(self, event: object) -> None:
        names: dict[type, str] = {TurnInterrupted: "interrupted", LimitReached: "limit"}
        # A thread that is closed after its turn's end does not change how the turn ended.
        self.stop = self.stop or names.get(type(event), "ended")

    _HANDLERS: ClassVar[dict[type, Callable[[TurnTracker, Any], None]]] = {
        UserMessageAdded: _message,
        TurnResumed: _resume,
        LLMCallRequested: _claim,
        LLMResponseReceived: _answer,
        LLMCallFailed: _fail,
        TurnInterrupted: _halt,
        LimitReached: _halt,
        SessionCompleted: _halt,
    }
