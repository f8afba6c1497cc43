"""Driving a thread in one call: to its end, or for exactly one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.recorder import Observer
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.base import Delta, ignore_delta
from messagedb_agent.projections.next_step import (
    Decider,
    Decision,
    StepType,
    Stop,
    project_to_next_step,
)
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.base import EventStore


def process_thread(
    store: EventStore,
    stream_name: str,
    agent: Agent,
    *,
    observers: Sequence[Observer] = (),
    on_delta: Callable[[Delta], None] = ignore_delta,
) -> RunResult:
    """
    Drive a thread until it needs nothing more, or somebody.

    Raises `ThreadBusyError` when another process drives it.
    """
    with AgentThread(store, stream_name, observers=observers, on_delta=on_delta) as thread:
        return thread.run(agent)


def execute_llm_step(
    store: EventStore, stream_name: str, agent: Agent
) -> tuple[RecordedEvent, ...]:
    """
    Call the model once, and return what was recorded.

    Raises `UsageError` when a model call is not what the thread needs next.
    """

    def is_over(before: ThreadState, now: ThreadState) -> bool:
        return now.turn.claims > before.turn.claims and not now.turn.claimed

    return _one_step(store, stream_name, agent, StepType.LLM_CALL, is_over)


def execute_tool_step(
    store: EventStore, stream_name: str, agent: Agent
) -> tuple[RecordedEvent, ...]:
    """
    Run the tool calls that are open and may run, and return what was recorded.

    Raises `UsageError` when tool calls are not what the thread needs next.
    """

    def is_over(_before: ThreadState, now: ThreadState) -> bool:
        return not now.calls.open

    return _one_step(store, stream_name, agent, StepType.TOOL_EXECUTION, is_over)


def _one_step(
    store: EventStore,
    stream_name: str,
    agent: Agent,
    wanted: StepType,
    is_over: Callable[[ThreadState, ThreadState], bool],
) -> tuple[RecordedEvent, ...]:
    with AgentThread(store, stream_name) as thread:
        before = store.version(stream_name)
        found = project_to_next_step([record.event for record in read_history(store, stream_name)])
        if found is not wanted:
            raise UsageError(
                f"the next step of thread {thread.thread_id} is {found.value}, not {wanted.value}"
            )
        stop = _stop_when(is_over, thread.state)
        thread.run(msgspec.structs.replace(agent, extra_deciders=(stop, *agent.extra_deciders)))
    return tuple(store.read(stream_name, position=before + 1))


def _stop_when(is_over: Callable[[ThreadState, ThreadState], bool], before: ThreadState) -> Decider:
    def decider(state: ThreadState) -> Decision | None:
        return Stop("done") if is_over(before, state) else None

    return decider
