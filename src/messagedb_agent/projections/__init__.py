"""What follows from the facts: pure folds over events, and decisions on their results."""

from collections.abc import Sequence

from messagedb_agent.events.base import Event
from messagedb_agent.projections.base import Projected, Projection
from messagedb_agent.projections.llm_context import LLM_CONTEXT
from messagedb_agent.projections.messages import Message
from messagedb_agent.projections.next_step import StepType, project_to_next_step
from messagedb_agent.projections.session_state import SESSION_STATE, SessionState
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.projections.tool_args import project_to_tool_arguments

__all__ = [
    "THREAD_STATE",
    "Projected",
    "Projection",
    "StepType",
    "ThreadState",
    "project_to_llm_context",
    "project_to_next_step",
    "project_to_session_state",
    "project_to_tool_arguments",
]


def project_to_llm_context(events: Sequence[Event]) -> Sequence[Message]:
    """The chat messages that the model would be given now."""
    context = LLM_CONTEXT.fold(events)
    return context.messages.extend(context.held)


def project_to_session_state(events: Sequence[Event]) -> SessionState:
    """The thread's status and counters."""
    return SESSION_STATE.fold(events)
