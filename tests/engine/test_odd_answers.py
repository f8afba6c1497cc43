"""Answers of models that no store could keep as they are."""

from __future__ import annotations

from typing import Any

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.events import ToolExecutionFailed
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import ToolRegistry, tool

STREAM = "agent:v0-odd"


@tool(permission="allow")
def take(value: list[Any]) -> int:
    """Take a list."""
    return len(value)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def test_arguments_that_are_nested_too_deep_become_a_tool_error() -> None:
    store = MemoryStore()
    deep = {"tool_calls": [{"name": "take", "arguments": {"value": nested(300)}}]}
    agent = Agent(llm=ScriptedModel([deep, {"text": "sorry"}]), tools=ToolRegistry(take))

    with AgentThread(store, STREAM) as thread:
        thread.start("go")
        result = thread.run(agent)

    assert result.response == "sorry"
    failed = [r.event for r in store.read(STREAM) if isinstance(r.event, ToolExecutionFailed)]
    assert "nested deeper" in failed[0].error_message
