"""The table of runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.listing import ago
from messagedb_agent.cli.terminal import paint
from messagedb_agent.cli.text import one_line

if TYPE_CHECKING:
    from messagedb_agent.projections.runs import RunSummary

_COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}
_SHORT = 8


def run_table(runs: Sequence[RunSummary]) -> list[str]:
    """The lines of the table."""
    head = f"{'RUN':{_SHORT}}  {'STATE':17}  {'BEGAN':9}  {'LASTED':>8}  LLM TOOL  THREAD"
    lines = [paint(head, "bold")]
    for run in runs:
        state = f"{run.state:17}"
        colour = _COLOURS.get(run.state, "yellow")
        lasted = (run.last_activity - run.started_at).total_seconds()
        lines.append(
            f"{one_line(run.run_id)[:_SHORT]:{_SHORT}}  {paint(state, colour)}  "
            f"{ago(_iso(run.started_at)):9}  {_duration(lasted):>8}  {run.model_calls:3} "
            f"{run.tool_calls:4}  {one_line(_thread_id(run))}"
        )
    return lines


def as_listed(run: RunSummary) -> dict[str, Any]:
    """A run for JSON."""
    return {
        "run_id": run.run_id,
        "thread_id": _thread_id(run),
        "stream_name": run.stream_name,
        "state": run.state,
        "started_at": _iso(run.started_at),
        "last_activity": _iso(run.last_activity),
        "deadline": run.deadline,
        "model_calls": run.model_calls,
        "tool_calls": run.tool_calls,
    }


def _thread_id(run: RunSummary) -> str:
    return run.stream_name.partition("-")[2]


def _iso(moment: datetime) -> str:
    return f"{moment.isoformat()}Z"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
