"""Which class an event type name stands for."""

from __future__ import annotations

from typing import TypeVar

from messagedb_agent.events import agent, system, tool, user
from messagedb_agent.events.base import Event

E = TypeVar("E", bound=type[Event])

_BUILTIN: tuple[type[Event], ...] = (
    system.SessionStarted,
    agent.AgentConfigured,
    user.UserMessageAdded,
    agent.LLMCallRequested,
    agent.LLMResponseReceived,
    agent.LLMCallFailed,
    tool.ToolExecutionRequested,
    tool.ToolExecutionCompleted,
    tool.ToolExecutionFailed,
    tool.ToolApprovalRequested,
    user.ToolExecutionApproved,
    user.ToolExecutionRejected,
    user.SessionTerminationRequested,
    system.SessionCompleted,
    system.ErrorOccurred,
    system.TurnInterrupted,
    user.TurnInterruptRequested,
    user.TurnResumed,
    system.LimitReached,
    system.ThreadForked,
    system.ThreadRewound,
    user.ThreadRenamed,
    user.ThreadReopened,
    user.AttachmentStored,
    user.MessageScheduled,
    user.MessageUnscheduled,
    tool.ToolResultStored,
    agent.LLMCallStarted,
    tool.ToolExecutionStarted,
    user.DisplayPreferenceUpdated,
)

_types: dict[str, type[Event]] = {cls.__name__: cls for cls in _BUILTIN}


def register(cls: E) -> E:
    """
    Make an event class of your own known, by its name; usable as a decorator.

    Raises `ValueError` when another class already has the name.
    """
    known = _types.setdefault(cls.__name__, cls)
    if known is not cls:
        raise ValueError(
            f"event type {cls.__name__} is already {known.__module__}.{known.__name__}"
        )
    return cls


def lookup(type_name: str) -> type[Event] | None:
    """The class of a type name, or None when nobody registered it."""
    return _types.get(type_name)


def registered() -> tuple[type[Event], ...]:
    """All known classes, in the order in which they became known."""
    return tuple(_types.values())
