"""The public names that earlier programs import, and what they do."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from messagedb_agent.engine import (
    execute_llm_step,
    execute_tool_step,
    process_thread,
    start_session,
    terminate_session,
)
from messagedb_agent.errors import OptimisticConcurrencyError, UsageError
from messagedb_agent.events import UserMessageAdded
from messagedb_agent.projections import StepType, project_to_next_step
from messagedb_agent.store import Event, MemoryStore, build_stream_name, read_stream, write_event
from messagedb_agent.tools import tool
from tests.engine.helpers import agent_of, call, calls

NAMES = {
    "store": (
        "MessageDBClient", "write_event", "read_stream", "Event", "OptimisticConcurrencyError",
        "generate_thread_id", "build_stream_name", "parse_stream_name", "get_category_messages",
    ),
    "projections": (
        "project_to_llm_context", "project_to_session_state", "project_to_tool_arguments",
        "project_to_next_step", "StepType",
    ),
    "tools": ("Tool", "ToolRegistry", "tool", "execute_tool", "tools_to_function_declarations"),
    "llm": ("LLMResponse", "ToolCall", "call_llm", "create_llm_client"),
    "engine": (
        "process_thread", "start_session", "terminate_session", "execute_llm_step",
        "execute_tool_step",
    ),
    "subscriber": ("Subscriber",),
}  # fmt: skip


@pytest.mark.parametrize("part", NAMES)
def test_the_seeds_names_can_be_imported_and_are_documented(part: str) -> None:
    module = import_module(f"messagedb_agent.{part}")

    for name in NAMES[part]:
        assert getattr(module, name).__doc__, name


@pytest.mark.parametrize("part", ["store", "engine"])
def test_a_name_that_is_not_there_is_missed_as_usual(part: str) -> None:
    module = import_module(f"messagedb_agent.{part}")

    with pytest.raises(AttributeError, match="no attribute 'nosuch'"):
        _ = module.nosuch
    assert all(hasattr(module, name) for name in module.__all__)


def test_importing_the_store_imports_no_driver() -> None:
    code = (
        "import messagedb_agent.store, messagedb_agent.engine, sys; print('psycopg' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )

    assert done.stdout == "False\n"


def test_events_are_written_and_read_in_one_call() -> None:
    store = MemoryStore()

    assert write_event(store, "a:v0-1", UserMessageAdded(message="hi"), expected_version=-1) == 0
    assert write_event(store, "a:v0-1", "UserMessageAdded", {"message": "more", "mood": "ok"}) == 1
    assert write_event(store, "a:v0-1", "ThreadPainted", {"colour": "red"}, {"by": "ann"}) == 2

    found = read_stream(store, "a:v0-1")
    assert [type(record) for record in found] == [Event] * 3
    assert [record.type for record in found] == ["UserMessageAdded"] * 2 + ["ThreadPainted"]
    assert [record.position for record in read_stream(store, "a:v0-1", 1)] == [1, 2]
    assert found[2].metadata_text == '{"by":"ann"}'


def test_an_event_that_nobody_could_read_is_not_written() -> None:
    store = MemoryStore()

    with pytest.raises(UsageError, match="does not fit UserMessageAdded"):
        write_event(store, "a:v0-1", "UserMessageAdded", {"massage": "hi"})
    with pytest.raises(UsageError, match="in itself"):
        write_event(store, "a:v0-1", UserMessageAdded(message="hi"), {"message": "hi"})
    with pytest.raises(OptimisticConcurrencyError):
        write_event(store, "a:v0-1", "ThreadPainted", expected_version=3)
    assert read_stream(store, "a:v0-1") == []


@tool(permission="allow")
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


def test_a_turn_can_be_taken_step_by_step() -> None:
    store = MemoryStore()
    stream = build_stream_name("agent", "v0", start_session(store, "hi"))
    made = calls(call("look", "a", at="x"), call("look", "b", at="y"))
    agent = agent_of([made, {"text": "done"}], look)

    def next_step() -> StepType:
        return project_to_next_step([record.event for record in read_stream(store, stream)])

    with pytest.raises(UsageError, match="llm_call, not tool_execution"):
        execute_tool_step(store, stream, agent)
    asked = execute_llm_step(store, stream, agent)
    assert next_step() is StepType.TOOL_EXECUTION
    with pytest.raises(UsageError, match="tool_execution, not llm_call"):
        execute_llm_step(store, stream, agent)
    ran = execute_tool_step(store, stream, agent)
    assert next_step() is StepType.LLM_CALL
    answered = execute_llm_step(store, stream, agent)

    assert [record.type for record in asked] == [
        "AgentConfigured",
        "LLMCallRequested",
        "LLMResponseReceived",
    ]
    assert [record.type for record in ran] == ["ToolExecutionRequested"] * 2 + [
        "ToolExecutionCompleted"
    ] * 2
    assert [record.type for record in answered] == ["LLMCallRequested", "LLMResponseReceived"]
    assert process_thread(store, stream, agent).response == "done"


def test_a_thread_is_processed_to_its_end() -> None:
    store = MemoryStore()
    stream = build_stream_name("agent", "v0", start_session(store, "hi"))
    agent = agent_of([calls(call("look", at="x")), {"text": "done"}], look)

    assert process_thread(store, stream, agent).response == "done"
    terminate_session(store, stream)
    assert process_thread(store, stream, agent).stop == "ended"
