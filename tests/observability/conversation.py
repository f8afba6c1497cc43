"""A scripted conversation with tools, driven in this process and observed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.approvals import ApprovalPolicy
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.llm.retry import RetryPolicy
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.observability.observer import SpanObserver
from messagedb_agent.observability.spans import Span
from messagedb_agent.store.base import EventStore
from messagedb_agent.tools import ToolRegistry, builtin_tools
from messagedb_agent.tools.base import Tool

THREAD = "5f0c4a3e-1f59-4d0a-9b8e-0f6a3c1b2d4e"
STREAM = f"agent:v0-{THREAD}"

ASK = {
    "text": "Let me see.",
    "tool_calls": [
        {"name": "calculate", "arguments": {"expression": "6*7"}},
        {"name": "echo", "arguments": {"text": "hi"}},
    ],
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}
ANSWER = {
    "text": "It is 42.",
    "usage": {"input_tokens": 20, "output_tokens": 3, "total_tokens": 23},
}


class KilledError(BaseException):
    """Stands for the end of the process: nothing in the program catches it."""


def agent(*steps: dict[str, Any], tools: Sequence[Tool] = (), allow: bool = True) -> Agent:
    return Agent(
        llm=ScriptedModel(steps or (ASK, ANSWER)),
        tools=ToolRegistry(*(tools or builtin_tools())),
        policy=ApprovalPolicy(allow_all=allow),
        retry=RetryPolicy(first_pause=0.0),
    )


def observer(spans: list[Span] | None = None, **options: Any) -> SpanObserver:
    emit = (lambda _span: None) if spans is None else spans.append
    return SpanObserver(emit, thread_id=THREAD, **options)


def drive(
    store: EventStore,
    watch: SpanObserver,
    driven: Agent,
    prepare: Callable[[AgentThread], None] = lambda _thread: None,
) -> RunResult:
    """One process's run, from opening the thread to leaving it in good order."""
    with AgentThread(store, STREAM, observers=(watch,), annotate=watch.annotate) as thread:
        prepare(thread)
        result = thread.run(driven)
    watch.close()
    return result


def say(text: str) -> Callable[[AgentThread], None]:
    def prepare(thread: AgentThread) -> None:
        if thread.state.session.status == "new":
            thread.start(text)
        else:
            thread.send(text)

    return prepare
