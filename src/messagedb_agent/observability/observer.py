"""
The observer that turns recorded events into spans.

Nothing is wrapped and nothing is measured here: a claim is the start of a step, its outcome
the end, and all ids follow from event ids. So what a killed process could not tell any more
is told by the next one, from the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from messagedb_agent.events.agent import AgentConfigured, LLMCallRequested
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.tool import ToolExecutionRequested
from messagedb_agent.events.user import TurnResumed, UserMessageAdded
from messagedb_agent.observability.identity import (
    TRACEPARENT,
    SpanRef,
    run_span_id_of,
    trace_id_of,
    written_within,
)
from messagedb_agent.observability.logging import get_logger
from messagedb_agent.observability.recovery import recovered_spans
from messagedb_agent.observability.spans import INTERRUPTED, Scope, Span, run_span
from messagedb_agent.observability.step_spans import step_span
from messagedb_agent.observability.turns import Steps, TurnTracker

_log = get_logger(__name__)


class _Run(msgspec.Struct):
    """This process's part of a turn: one `invoke_agent` span."""

    turn_id: str
    ref: SpanRef
    parent_id: int | None
    steps: Steps = msgspec.field(default_factory=Steps)
    records: list[RecordedEvent] = []


class SpanObserver:
    """
    Gives the finished spans of one thread to `emit`, as this process drives it.

    Pass both `annotate` and the observer itself to `AgentThread`. Events carry the run that
    wrote them (`traceparent` in their metadata), so history and what others append are told
    apart from this process's own doing. Call `close` when the run is over: a turn that waits
    for somebody has no last event.
    """

    def __init__(
        self,
        emit: Callable[[Span], object],
        *,
        thread_id: str,
        sampled: Callable[[int], bool] = lambda _trace_id: True,
        capture_content: bool = False,
    ) -> None:
        self._emit = emit
        self._thread_id = thread_id
        self._run_id: str | None = None
        self._sampled = sampled
        self._capture_content = capture_content
        self._tracker = TurnTracker()
        self._configured: AgentConfigured | None = None
        self._run: _Run | None = None
        self._last: SpanRef | None = None
        self._broken = False

    def annotate(self, new: Sequence[tuple[str, Event]]) -> Mapping[str, Any]:
        """The metadata for events that are about to be written together, given with their ids."""
        try:
            self._run = self._run or self._begin(new)
        except Exception as error:  # noqa: BLE001 - what goes wrong here must not stop the agent
            self._give_up(error)
        ref = self._run.ref if self._run else self._last
        return {} if ref is None or self._broken else {TRACEPARENT: str(ref)}

    def __call__(self, record: RecordedEvent) -> None:
        """An event was recorded, by whomever."""
        if self._broken:
            return
        try:
            self._see(record)
        except Exception as error:  # noqa: BLE001 - what goes wrong here must not stop the agent
            self._give_up(error)

    def close(self) -> None:
        """The run stops here; its span ends with its last event."""
        run, self._run = self._run, None
        if run is not None and run.records and not self._broken:
            self._finish(run, INTERRUPTED if run.steps.open else "waiting")

    def _give_up(self, error: Exception) -> None:
        self._broken = True
        _log.warning("tracing of this thread stopped", error=f"{type(error).__name__}: {error}")

    def _begin(self, new: Sequence[tuple[str, Event]]) -> _Run | None:
        turn_id = self._turn_of(new)
        if turn_id is None:
            return None
        trace_id, root = trace_id_of(turn_id), run_span_id_of(turn_id)
        ref = SpanRef(trace_id, root, self._sampled(trace_id))
        began = self._tracker.began
        is_known = began is not None and began.id == turn_id
        if is_known and any(map(written_within, self._tracker.records)):
            return _Run(turn_id, ref._replace(span_id=run_span_id_of(new[0][0])), root)
        return _Run(turn_id, ref, None)

    def _turn_of(self, new: Sequence[tuple[str, Event]]) -> str | None:
        tracker = self._tracker
        if tracker.stop is not None:
            for event_id, event in new:
                if isinstance(event, UserMessageAdded):
                    return event_id
            if not any(isinstance(event, TurnResumed | LLMCallRequested) for _, event in new):
                return None
        return tracker.began.id if tracker.began else None

    def _see(self, record: RecordedEvent) -> None:
        tracker, run = self._tracker, self._run
        if isinstance(record.event, AgentConfigured):
            self._configured = record.event
        tracker.see(record)
        if run is None or tracker.began is None:
            return
        if tracker.began.id != run.turn_id:
            # Somebody else's message came first and began the turn instead.
            self._run = None if tracker.began is record else run
            return
        author = written_within(record)
        if author is None or author.span_id != run.ref.span_id:
            return
        if isinstance(record.event, LLMCallRequested | ToolExecutionRequested):
            self._run_id = record.event.run_id
        if not run.records and run.parent_id is not None:
            for span in recovered_spans(tracker.records[:-1], self._scope(run)):
                self._emit(span)
        run.records.append(record)
        ended = run.steps.see(record)
        if ended is not None:
            self._emit(step_span(ended, self._scope(run)))
        if tracker.stop is not None:
            self._run = None
            self._finish(run, tracker.stop)

    def _finish(self, run: _Run, stop: str) -> None:
        self._last = run.ref
        self._emit(run_span(run.records, self._scope(run), stop))

    def _scope(self, run: _Run) -> Scope:
        assert self._tracker.began is not None, "a run belongs to a turn"
        return Scope(
            run=run.ref,
            parent_id=run.parent_id,
            thread_id=self._thread_id,
            began=self._tracker.began,
            run_id=self._run_id,
            configured=self._configured,
            capture_content=self._capture_content,
        )
