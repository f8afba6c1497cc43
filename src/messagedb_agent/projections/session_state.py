"""What a thread looks like from outside: its status and what it counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from messagedb_agent.events.agent import LLMCallFailed, LLMResponseReceived
from messagedb_agent.events.system import ErrorOccurred
from messagedb_agent.events.tool import ToolExecutionFailed, ToolExecutionRequested
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.projections.base import Projection
from messagedb_agent.projections.life_cycle import HANDLERS, LifeCycle


class SessionState(LifeCycle, frozen=True, gc=False, kw_only=True):
    """A thread's identity, life cycle and counters."""

    message_count: int = 0
    llm_call_count: int = 0
    tool_call_count: int = 0
    error_count: int = 0


def _count(name: str) -> Callable[[SessionState, Any], SessionState]:
    return lambda state, _event: replace(state, **{name: getattr(state, name) + 1})


SESSION_STATE: Projection[SessionState] = Projection(
    name="session_state",
    version=1,
    initial=SessionState(),
    handlers={
        **HANDLERS,
        UserMessageAdded: _count("message_count"),
        LLMResponseReceived: _count("llm_call_count"),
        ToolExecutionRequested: _count("tool_call_count"),
        LLMCallFailed: _count("error_count"),
        ToolExecutionFailed: _count("error_count"),
        ErrorOccurred: _count("error_count"),
    },
)
