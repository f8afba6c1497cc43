"""All runs of a thread, as those who look at it see them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.tool import ToolExecutionRequested
from messagedb_agent.projections.run import RUN
from messagedb_agent.projections.tool_calls import TOOL_CALLS

ShownState: TypeAlias = Literal["running", "awaiting approval", "completed", "failed", "cancelled"]


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """
    One run. Times are UTC; `last_activity` is when it ended, of one that has ended.

    `failed` is also one that met a limit, `cancelled` one that somebody interrupted.
    """

    run_id: str
    stream_name: str
    state: ShownState = "running"
    started_at: datetime
    last_activity: datetime
    deadline: str | None = None
    model_calls: int = 0
    tool_calls: int = 0


def runs(records: Iterable[RecordedEvent]) -> tuple[RunSummary, ...]:
    """The runs that these events of one stream tell of, in the order in which they began."""
    found: list[RunSummary] = []
    run, calls = RUN.initial, TOOL_CALLS.initial
    for record in records:
        before, run = run, RUN.apply(run, record.event)
        calls = TOOL_CALLS.apply(calls, record.event)
        if run.is_open and run.id != before.id:
            found.append(_begun(run.id, record))
        if not found or not (run.is_open or before.is_open):
            continue
        state: ShownState = "awaiting approval"
        if run.state != "none" and not (run.is_open and calls.are_all_pending):
            state = run.state
        found[-1] = replace(
            found[-1],
            state=state,
            last_activity=record.time,
            deadline=run.deadline if run.is_open else found[-1].deadline,
            model_calls=found[-1].model_calls + isinstance(record.event, LLMCallRequested),
            tool_calls=found[-1].tool_calls + isinstance(record.event, ToolExecutionRequested),
        )
    return tuple(found)


def _begun(run_id: str, record: RecordedEvent) -> RunSummary:
    return RunSummary(
        run_id=run_id,
        stream_name=record.stream_name,
        started_at=record.time,
        last_activity=record.time,
    )
