"""
The engine: reads, folds, decides, acts and appends, one thread at a time.

Names are looked up when they are used: short commands need few of them.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers know the name; importing typing for it would cost every short command 5 ms.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from messagedb_agent.engine.agent import Agent
    from messagedb_agent.engine.process import (
        execute_llm_step,
        execute_tool_step,
        process_thread,
    )
    from messagedb_agent.engine.result import RunResult
    from messagedb_agent.engine.session import start_session, terminate_session
    from messagedb_agent.engine.thread import AgentThread

_HOMES = {
    "Agent": "agent",
    "AgentThread": "thread",
    "RunResult": "result",
    "execute_llm_step": "process",
    "execute_tool_step": "process",
    "process_thread": "process",
    "start_session": "session",
    "terminate_session": "session",
}

__all__ = [
    "Agent",
    "AgentThread",
    "RunResult",
    "execute_llm_step",
    "execute_tool_step",
    "process_thread",
    "start_session",
    "terminate_session",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"messagedb_agent.engine.{_HOMES[name]}"), name)
