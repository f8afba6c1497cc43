"""How a turn ends before its time: every open step gets an outcome. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from messagedb_agent.events.agent import LLMCallFailed
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import TurnInterrupted
from messagedb_agent.events.tool import ToolExecutionFailed
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState


def interruption(state: ThreadState, reason: str = "user") -> tuple[Event, ...]:
    """The events that end the running turn; none when no turn is running."""
    if state.session.is_ended or not (state.context.wants_answer or state.calls.open):
        return ()
    told = outcomes(state, "The user interrupted this tool call.", "interrupted")
    return (*told, TurnInterrupted(reason=reason))


def outcomes(state: ThreadState, tool_message: str, error_type: str) -> tuple[Event, ...]:
    """An outcome for each open step: the model call's, and those of tool calls."""
    call = LLMCallFailed(
        error_message="The call was interrupted.",
        error_type="interrupted",
        retry_count=state.turn.failed_attempts,
        retryable=True,
    )
    return (
        *((call,) if state.turn.claimed else ()),
        *failures(state.calls.open, tool_message, error_type),
    )


def failures(calls: Sequence[CallState], message: str, error_type: str) -> tuple[Event, ...]:
    """The events that end these calls without an answer."""
    return tuple(
        ToolExecutionFailed(
            tool_name=call.call.name,
            error_message=message,
            retry_count=max(0, call.attempts - 1),
            error_type=error_type,
            **identity(call),
        )
        for call in calls
    )


def identity(call: CallState) -> dict[str, Any]:
    """The fields that tell whose call a tool event speaks of."""
    return {
        "tool_id": call.call.id,
        "tool_call_id": call.call.id,
        "tool_index": call.index,
    }
