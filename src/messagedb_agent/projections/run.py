"""The latest run of a thread: who drives it, since its first claim until the thread rests."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from messagedb_agent.events.agent import LLMCallFailed, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import (
    LimitReached,
    SessionCompleted,
    ThreadForked,
    ThreadRewound,
    TurnInterrupted,
)
from messagedb_agent.events.tool import ToolApprovalRequested, ToolExecutionRequested
from messagedb_agent.events.user import (
    ToolExecutionApproved,
    ToolExecutionRejected,
    UserMessageAdded,
)
from messagedb_agent.projections.base import Handler, Projection

RunState: TypeAlias = Literal["none", "running", "completed", "failed", "cancelled"]


class Run(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    A run as its events tell it; of a thread that none has claimed yet the state is "none".

    `timeout` (seconds) and `deadline` (UTC) bound it, if both are set. A person's decision
    that it waited for takes the deadline away: the next claim sets another. `late` says that
    a message came which no model call of the run has seen.
    """

    id: str = ""
    state: RunState = "none"
    timeout: float | None = None
    deadline: str | None = None
    late: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it goes on, or will once somebody drives the thread."""
        return self.state == "running"


def _claim(state: Run, event: LLMCallRequested | ToolExecutionRequested) -> Run:
    if event.run_id is None:
        return state
    if state.id == event.run_id and state.deadline == event.run_deadline and not state.late:
        # As it is, unless somebody ended it; most claims of a thread are such.
        return state if state.state == "running" else replace(state, state="running")
    late = state.late and isinstance(event, ToolExecutionRequested)
    return Run(
        id=event.run_id,
        state="running",
        timeout=event.run_timeout,
        deadline=event.run_deadline,
        late=late,
    )


def _hear(state: Run, _event: UserMessageAdded) -> Run:
    return replace(state, late=True) if state.state == "running" else state


def _answer(state: Run, event: LLMResponseReceived) -> Run:
    if event.tool_calls or state.late or state.state != "running" or event.stop_reason == "pause":
        return state
    return Run(id=state.id, state="completed")


def _fail(state: Run, event: LLMCallFailed) -> Run:
    return state if event.retryable else _ended(state, "failed")


def _wait(state: Run, _event: Event) -> Run:
    return replace(state, timeout=None, deadline=None) if state.is_open else state


def _ending(as_what: RunState) -> Handler[Run]:
    return lambda state, _event: _ended(state, as_what)


def _ended(state: Run, as_what: RunState) -> Run:
    return Run(id=state.id, state=as_what) if state.is_open else state


RUN: Projection[Run] = Projection(
    name="run",
    version=1,
    initial=Run(),
    handlers={
        LLMCallRequested: _claim,
        ToolExecutionRequested: _claim,
        UserMessageAdded: _hear,
        LLMResponseReceived: _answer,
        LLMCallFailed: _fail,
        ToolApprovalRequested: _wait,
        ToolExecutionApproved: _wait,
        ToolExecutionRejected: _wait,
        LimitReached: _ending("failed"),
        TurnInterrupted: _ending("cancelled"),
        SessionCompleted: _ending("cancelled"),
        ThreadRewound: _ending("cancelled"),
        ThreadForked: lambda _state, _event: Run(),
    },
)
