"""The arguments of the tool calls that are still open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from messagedb_agent.events.base import Event
from messagedb_agent.projections.llm_context import LLM_CONTEXT


def project_to_tool_arguments(events: Sequence[Event]) -> tuple[dict[str, Any], ...]:
    """`{id, name, arguments}` of each open call, in call order; edits by people are in."""
    calls = LLM_CONTEXT.fold(events).calls.open
    return tuple(
        {"id": call.call.id, "name": call.call.name, "arguments": call.arguments} for call in calls
    )
