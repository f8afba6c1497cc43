"""Where a thread stands in its life: what it is called, whether it still takes messages."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
from msgspec.structs import replace

from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import (
    SessionCompleted,
    SessionStarted,
    ThreadForked,
    ThreadRewound,
)
from messagedb_agent.events.user import (
    SessionTerminationRequested,
    ThreadRenamed,
    ThreadReopened,
)
from messagedb_agent.projections.base import Handler, Projection

Status: TypeAlias = Literal["new", "active", "completed", "failed"]


class LifeCycle(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A thread's identity and status."""

    thread_id: str = ""
    status: Status = "new"
    title: str | None = None
    model_name: str = ""
    completion_reason: str | None = None
    termination_requested: bool = False

    @property
    def is_ended(self) -> bool:
        """Whether the thread takes no more messages."""
        return self.status in ("completed", "failed")


L = TypeVar("L", bound=LifeCycle)


def _start(state: L, event: SessionStarted) -> L:
    return replace(state, thread_id=event.thread_id, status="active")


def _configure(state: L, event: AgentConfigured) -> L:
    return replace(state, model_name=event.model_name)


def _complete(state: L, event: SessionCompleted) -> L:
    status: Status = "completed" if event.completion_reason == "success" else "failed"
    return replace(state, status=status, completion_reason=event.completion_reason)


def _revive(state: L, _event: ThreadForked | ThreadRewound | ThreadReopened) -> L:
    return replace(state, status="active", completion_reason=None, termination_requested=False)


def _ask_to_end(state: L, _event: SessionTerminationRequested) -> L:
    return replace(state, termination_requested=True)


def _rename(state: L, event: ThreadRenamed) -> L:
    return replace(state, title=event.title)


HANDLERS: dict[type[Event], Handler[Any]] = {
    SessionStarted: _start,
    AgentConfigured: _configure,
    SessionTerminationRequested: _ask_to_end,
    SessionCompleted: _complete,
    ThreadForked: _revive,
    ThreadRewound: _revive,
    ThreadReopened: _revive,
    ThreadRenamed: _rename,
}
"""For any state that has these fields."""

LIFE_CYCLE: Projection[LifeCycle] = Projection(
    name="life_cycle", version=2, initial=LifeCycle(), handlers=HANDLERS
)
