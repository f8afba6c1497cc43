"""Tools at work: side by side, too slow, interrupted, and within a transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.session import interrupt_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ToolError
from messagedb_agent.events import (
    LLMCallFailed,
    LLMResponseReceived,
    SessionStarted,
    ToolCall,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    TurnInterrupted,
    UserMessageAdded,
)
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.messages import ToolResult
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import ToolContext, tool
from tests.engine.helpers import (
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    outcomes,
    say,
    violations,
)

PATIENCE = 20.0


def test_calls_of_one_response_run_at_the_same_time(memory: MemoryStore, stream: str) -> None:
    together = threading.Barrier(3)

    @tool(permission="allow")
    def meet() -> int:
        """Wait for the others."""
        return together.wait(PATIENCE)

    made = calls(call("meet", "a"), call("meet", "b"), call("meet", "c"))
    say(memory, stream, "hi", agent_of([made, {"text": "met"}], meet))

    results = [e.result for e in events_of(memory, stream) if isinstance(e, ToolExecutionCompleted)]
    assert sorted(results) == [0, 1, 2]


def test_no_more_calls_run_at_once_than_are_allowed(memory: MemoryStore, stream: str) -> None:
    running, most = 0, 0
    mutex = threading.Lock()
    everybody = threading.Event()

    @tool(permission="allow")
    def count(context: ToolContext) -> str:
        """Count who is here."""
        nonlocal running, most
        with mutex:
            running += 1
            most = max(most, running)
            if running == 2:
                everybody.set()
        everybody.wait(PATIENCE)
        with mutex:
            running -= 1
        return "ok"

    made = calls(*(call("count", str(number)) for number in range(5)))
    say(memory, stream, "hi", agent_of([made, {"text": "done"}], count, max_parallel_tools=2))

    assert most == 2
    assert len(outcomes(memory, stream)) == 5


def test_a_slow_call_does_not_delay_the_record_of_the_others(
    memory: MemoryStore, stream: str
) -> None:
    recorded = threading.Event()

    def watch(record: RecordedEvent) -> None:
        if isinstance(record.event, ToolExecutionCompleted):
            recorded.set()

    @tool(permission="allow")
    def quick() -> str:
        """Answer at once."""
        return "quick"

    @tool(permission="allow")
    def slow() -> bool:
        """Answer when the other's result is in the stream."""
        return recorded.wait(PATIENCE)

    model = ScriptedModel([calls(call("slow", "a"), call("quick", "b")), {"text": "done"}])
    with AgentThread(memory, stream, observers=[watch]) as thread:
        thread.start("hi")
        thread.run(agent_of(model, quick, slow))

    results = model.requests[-1].messages[-2:]
    assert [result.result for result in results if isinstance(result, ToolResult)] == [
        True,
        "quick",
    ]
    assert list(outcomes(memory, stream)) == ["b", "a"]


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Something to wait for in vain; it comes when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_call_that_ignores_its_time_limit_is_left_behind(
    memory: MemoryStore, stream: str, never: threading.Event
) -> None:
    @tool(permission="allow", timeout=0.05)
    def deaf() -> bool:
        """Take no notice of anything."""
        return never.wait(PATIENCE)

    result = say(memory, stream, "hi", agent_of([calls(call("deaf", "a")), {"text": "on"}], deaf))

    outcome = outcomes(memory, stream)["a"]
    assert result.response == "on"
    assert isinstance(outcome, ToolExecutionFailed)
    assert outcome.error_type == "timeout"
    assert "0.05 seconds" in outcome.error_message


def test_a_call_that_is_given_up_is_told(memory: MemoryStore, stream: str) -> None:
    told = threading.Event()

    @tool(permission="allow", timeout=0.05)
    def attentive(context: ToolContext) -> str:
        """Stop when nobody waits any more."""
        context.cancelled.wait(PATIENCE)
        told.set()
        return "too late"

    say(memory, stream, "hi", agent_of([calls(call("attentive", "a")), {"text": "on"}], attentive))

    assert told.wait(PATIENCE)
    assert type(outcomes(memory, stream)["a"]) is ToolExecutionFailed


@pytest.mark.parametrize("error", [ToolError("no"), ZeroDivisionError("no"), SystemExit("no")])
def test_whatever_a_tool_raises_the_model_reads_it(
    memory: MemoryStore, stream: str, error: BaseException
) -> None:
    @tool(permission="allow")
    def fail() -> str:
        """Fail."""
        raise error

    result = say(memory, stream, "hi", agent_of([calls(call("fail", "a")), {"text": "on"}], fail))

    outcome = outcomes(memory, stream)["a"]
    assert result.response == "on"
    assert isinstance(outcome, ToolExecutionFailed)
    assert "no" in outcome.error_message


def assert_interrupted(store: MemoryStore, stream: str) -> None:
    assert isinstance(events_of(store, stream)[-1], TurnInterrupted)
    assert violations(list(store.read(stream))) == []


def test_an_interrupt_inside_a_tool_ends_the_turn_with_an_event(
    memory: MemoryStore, stream: str
) -> None:
    @tool(permission="allow")
    def interrupted() -> str:
        """Be interrupted."""
        raise KeyboardInterrupt

    agent = agent_of([calls(call("interrupted", "a")), {"text": "on"}], interrupted)
    result = say(memory, stream, "hi", agent)

    outcome = outcomes(memory, stream)["a"]
    assert result.stop == "interrupted"
    assert isinstance(outcome, ToolExecutionFailed)
    assert outcome.error_type == "interrupted"
    assert_interrupted(memory, stream)
    assert go_on(memory, stream, agent).response == "on"
    assert violations(list(memory.read(stream))) == []


class Interrupted(ScriptedModel):
    def complete(self, request: Any, **more: Any) -> Any:
        if not self.requests:
            self.requests.append(request)
            raise KeyboardInterrupt
        return super().complete(request, **more)


def test_an_interrupt_inside_a_model_call_ends_the_turn_with_an_event(
    memory: MemoryStore, stream: str
) -> None:
    agent = agent_of(Interrupted([{"text": "on"}]))
    result = say(memory, stream, "hi", agent)

    assert result.stop == "interrupted"
    assert isinstance(events_of(memory, stream)[-2], LLMCallFailed)
    assert_interrupted(memory, stream)
    assert go_on(memory, stream, agent).response == "on"
    assert violations(list(memory.read(stream))) == []


def test_a_message_after_an_interrupt_is_answered(memory: MemoryStore, stream: str) -> None:
    agent = agent_of(Interrupted([{"text": "on"}]))
    say(memory, stream, "hi", agent)

    assert say(memory, stream, "well?", agent).response == "on"


def test_results_that_are_there_survive_an_interrupt(memory: MemoryStore, stream: str) -> None:
    thread: AgentThread

    @tool(permission="allow")
    def done() -> str:
        """Finish, although the user has had enough."""
        thread.interrupt()
        return "done in time"

    agent = agent_of([calls(call("done", "a")), {"text": "on"}], done)
    with AgentThread(memory, stream) as thread:
        thread.start("hi")
        result = thread.run(agent)

    outcome = outcomes(memory, stream)["a"]
    assert result.stop == "interrupted"
    assert isinstance(outcome, ToolExecutionCompleted)
    assert_interrupted(memory, stream)


@pytest.mark.parametrize("where", ["tool", "model"])
def test_somebody_elsewhere_stops_a_step_within_a_second_or_so(
    memory: MemoryStore, stream: str, where: str
) -> None:
    @tool(permission="allow")
    def endless(context: ToolContext) -> str:
        """Run until told to stop."""
        interrupt_session(memory, stream)
        assert context.cancelled.wait(PATIENCE)
        return "stopped"

    class Endless(ScriptedModel):
        def complete(self, request: Any, **more: Any) -> Any:
            if where == "model":
                interrupt_session(memory, stream)
                assert more["cancelled"].wait(PATIENCE)
            return super().complete(request, **more)

    model = Endless([calls(call("endless", "a")), {"text": "on"}])
    result = say(memory, stream, "hi", agent_of(model, endless))

    assert result.stop == "interrupted"
    assert_interrupted(memory, stream)


@pytest.mark.parametrize("transactional", [False, True])
def test_secrets_in_the_result_of_a_tool_are_not_recorded(
    client: MessageDBClient, stream: str, monkeypatch: pytest.MonkeyPatch, *, transactional: bool
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-key")

    @tool(permission="allow", transactional=transactional)
    def environment(context: ToolContext) -> dict[str, Any]:
        """Tell too much, and more than an event holds."""
        assert (context.connection is not None) is transactional
        return {"env": [os.environ["SOME_API_KEY"]], "more": "planted-key " * 2_000}

    model = ScriptedModel([calls(call("environment")), {"text": "oh"}])
    say(client, stream, "go", agent_of(model, environment))

    (done,) = (e for e in events_of(client, stream) if isinstance(e, ToolExecutionCompleted))
    assert "planted" not in str(events_of(client, stream))
    assert "planted" not in str(model.requests[-1])
    assert Contents(client).whole(done).result["env"] == ["[redacted]"]


def test_what_a_probe_tells_of_secrets_is_not_recorded(
    memory: MemoryStore, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "planted-key")

    def look(_arguments: object, _context: object) -> str:
        return "found with planted-key"

    @tool(permission="allow", recovery="probe", probe=look)
    def probed() -> str:
        """Never run here."""
        raise AssertionError

    asked = LLMResponseReceived(
        response_text="",
        model_name="m",
        tool_calls=(ToolCall(id="a", name="probed", arguments={}),),
    )
    past = (
        SessionStarted(thread_id="t"),
        UserMessageAdded(message="go"),
        asked,
        ToolExecutionRequested(tool_name="probed", arguments={}, tool_call_id="a", tool_id="a"),
    )
    memory.append(stream, [NewEvent(event=event) for event in past])

    with AgentThread(memory, stream) as thread:
        thread.run(agent_of([{"text": "oh"}], probed))

    (done,) = (e for e in events_of(memory, stream) if isinstance(e, ToolExecutionCompleted))
    assert done.result == "found with [redacted]"


def test_what_an_exception_tells_of_secrets_is_not_recorded(
    memory: MemoryStore, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://agent:planted-pw@db/x")
    monkeypatch.setenv("SOME_API_KEY", "planted-key")

    @tool(permission="allow")
    def careless() -> str:
        """Fail as libraries do."""
        raise RuntimeError(
            "no route to postgresql://agent:planted-pw@db/x, tried with planted-key "
            "and Authorization: Bearer planted.token.123"
        )

    say(memory, stream, "go", agent_of([calls(call("careless")), {"text": "oh"}], careless))

    (failed,) = (e for e in events_of(memory, stream) if isinstance(e, ToolExecutionFailed))
    assert "no route to" in failed.error_message
    assert "planted" not in str(events_of(memory, stream))
