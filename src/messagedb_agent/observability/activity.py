"""The observer that logs what a run does, and says on every other line which step it was in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messagedb_agent.events.agent import LLMCallFailed, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import from_json
from messagedb_agent.events.system import LimitReached, TurnInterrupted
from messagedb_agent.events.tool import (
    ToolEvent,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.observability.logging import DEBUG, bind, get_logger, logs_content, wants

_log = get_logger("messagedb_agent.run")
_OUTCOMES = (LLMResponseReceived, LLMCallFailed, ToolExecutionCompleted, ToolExecutionFailed)
_CLAIMS = (LLMCallRequested, ToolExecutionRequested)
_STEPS = (*_CLAIMS, *_OUTCOMES)


class Activity:
    """Silent, and without effect, until `begin`: what came before is history."""

    def __init__(self) -> None:
        self._live = False
        self._open: dict[str | None, str] = {}

    def begin(self, run_id: str) -> None:
        """From here on events are new, and of this run."""
        self._live = True
        bind(run_id=run_id)

    def __call__(self, record: RecordedEvent) -> None:
        """An event was recorded."""
        if not self._live:
            return
        event = record.event
        key = event.call_id if isinstance(event, ToolEvent) else None
        if isinstance(event, _CLAIMS) and event.run_id is not None:
            bind(run_id=event.run_id)
        if isinstance(event, LLMCallRequested):
            self._open[key] = f"chat@{record.position}"
        elif isinstance(event, ToolExecutionRequested):
            self._open[key] = f"execute_tool@{record.position}"
        if isinstance(event, _STEPS):
            bind(step=self._open.get(key))
        line = _line(event)
        if line is not None:
            _log.info(line[0], position=record.position, **line[1])
        if wants(DEBUG):
            _log.debug("event recorded", type=record.type, id=record.id, **_place(record))
        if isinstance(event, _OUTCOMES):
            self._open.pop(key, None)
            bind(step=next(reversed(self._open.values()), None))


def _place(record: RecordedEvent) -> dict[str, Any]:
    place: dict[str, Any] = {"position": record.position}
    if logs_content():
        place["data"] = from_json(encode(record.event).data)
    return place


def _line(event: Event) -> tuple[str, Mapping[str, Any]] | None:
    match event:
        case LLMCallRequested():
            return "model called", {"model": event.model_name, "attempt": event.attempt}
        case LLMResponseReceived():
            fields = {
                "model": event.model_name,
                "latency_ms": event.latency_ms,
                "usage": event.token_usage,
                "tool_calls": len(event.tool_calls),
                "stop_reason": event.stop_reason,
            }
            return "model answered", fields
        case LLMCallFailed():
            return "model failed", {"error_type": event.error_type, "retryable": event.retryable}
        case ToolExecutionRequested():
            return "tool called", {"tool": event.tool_name, "attempt": event.attempt}
        case ToolExecutionCompleted():
            return "tool answered", {"tool": event.tool_name, "ms": event.execution_time_ms}
        case ToolExecutionFailed():
            return "tool failed", {"tool": event.tool_name, "error_type": event.error_type}
        case LimitReached() | TurnInterrupted():
            return "turn stopped", {"why": type(event).__name__}
        case _:
            return None
