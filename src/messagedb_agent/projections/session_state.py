"""What a thread looks like from outside: its status and what it counts."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from messagedb_agent.events.agent import AgentConfigured, LLMCallFailed, LLMResponseReceived
from messagedb_agent.events.system import (
    ErrorOccurred,
    SessionCompleted,
    SessionStarted,
    ThreadForked,
    ThreadRewound,
)
from messagedb_agent.events.tool import ToolExecutionFailed, ToolExecutionRequested
from messagedb_agent.events.user import (
    SessionTerminationRequested,
    ThreadRenamed,
    ThreadReopened,
    UserMessageAdded,
)
from messagedb_agent.projections.base import Projection

Status: TypeAlias = Literal["new", "active", "completed", "failed"]


class SessionState(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A thread's identity, life cycle and counters."""

    thread_id: str = ""
    status: Status = "new"
    title: str | None = None
    model_name: str = ""
    completion_reason: str | None = None
    termination_requested: bool = False
    message_count: int = 0
    llm_call_count: int = 0
    tool_call_count: int = 0
    error_count: int = 0

    @property
    def is_ended(self) -> bool:
        """Whether the thread takes no more messages."""
        return self.status in ("completed", "failed")


def _complete(state: SessionState, event: SessionCompleted) -> SessionState:
    status: Status = "completed" if event.completion_reason == "success" else "failed"
    return replace(state, status=status, completion_reason=event.completion_reason)


SESSION_STATE: Projection[SessionState] = Projection(
    name="session_state",
    version=1,
    initial=SessionState(),
    handlers={
        SessionStarted: lambda s, e: replace(s, thread_id=e.thread_id, status="active"),
        AgentConfigured: lambda s, e: replace(s, model_name=e.model_name),
        UserMessageAdded: lambda s, _: replace(s, message_count=s.message_count + 1),
        LLMResponseReceived: lambda s, _: replace(s, llm_call_count=s.llm_call_count + 1),
        LLMCallFailed: lambda s, _: replace(s, error_count=s.error_count + 1),
        ToolExecutionRequested: lambda s, _: replace(s, tool_call_count=s.tool_call_count + 1),
        ToolExecutionFailed: lambda s, _: replace(s, error_count=s.error_count + 1),
        ErrorOccurred: lambda s, _: replace(s, error_count=s.error_count + 1),
        SessionTerminationRequested: lambda s, _: replace(s, termination_requested=True),
        SessionCompleted: _complete,
        ThreadForked: lambda s, _: replace(
            s, status="active", completion_reason=None, termination_requested=False
        ),
        ThreadRewound: lambda s, _: replace(
            s, status="active", completion_reason=None, termination_requested=False
        ),
        ThreadReopened: lambda s, _: replace(
            s, status="active", completion_reason=None, termination_requested=False
        ),
        ThreadRenamed: lambda s, e: replace(s, title=e.title),
    },
)
