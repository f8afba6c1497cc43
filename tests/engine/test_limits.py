from __future__ import annotations

import threading
from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.cancellation import NEVER
from messagedb_agent.engine.approvals import ApprovalPolicy
from messagedb_agent.engine.limits import Allowance, Limits, within
from messagedb_agent.events import (
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolCall,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    TurnResumed,
    UnknownEvent,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.next_step import Record
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import ToolContext, tool
from messagedb_agent.tools.builtin.echo import echo
from messagedb_agent.tools.builtin.run_command import run_command
from tests.engine.helpers import (
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    kinds_of,
    new_stream,
    outcomes,
    say,
)
from tests.waiting import wait_until

ASKED = UserMessageAdded(message="go")


def answer(number: int, model: str = "m") -> LLMResponseReceived:
    return LLMResponseReceived(
        tool_calls=(ToolCall("c", "echo", {"text": str(number)}),),
        model_name=model,
        token_usage={"total_tokens": 10},
    )


def a_cent_for_ten_tokens(model_name: str, usage: Any) -> float | None:
    return None if model_name == "free" else usage["total_tokens"] / 1000


def stopped(limits: Limits, *history: Event) -> LimitReached | None:
    decision = within(limits)(THREAD_STATE.fold(history))
    if not isinstance(decision, Record):
        return None
    (event,) = decision.events
    assert isinstance(event, LimitReached)
    return event


BUDGET = Limits(max_cost=0.02, price=a_cent_for_ten_tokens)


def test_a_turn_stops_when_its_budget_is_used_up() -> None:
    assert stopped(BUDGET, ASKED, answer(1)) is None
    assert stopped(BUDGET, ASKED, answer(1), answer(2)) == LimitReached(
        limit="max_cost", value=0.02, maximum=0.02
    )


def test_what_has_no_price_costs_nothing() -> None:
    assert stopped(BUDGET, ASKED, *(answer(n, "free") for n in range(9))) is None


def test_a_message_and_continue_start_the_count_anew() -> None:
    spent = (ASKED, answer(1), answer(2))

    assert stopped(BUDGET, *spent, TurnResumed()) is None
    assert stopped(BUDGET, *spent, ASKED) is None


@pytest.mark.parametrize(
    "outcome",
    [
        LLMCallFailed(error_type="timeout", retryable=True, latency_ms=5000),
        LLMResponseReceived(tool_calls=(ToolCall("c", "echo", {}),), latency_ms=5000),
        ToolExecutionFailed(error_type="timeout", execution_time_ms=5000),
        ToolExecutionCompleted(execution_time_ms=5000),
    ],
    ids=lambda outcome: type(outcome).__name__,
)
def test_a_turn_stops_after_a_step_that_took_too_long(outcome: Event) -> None:
    history = (ASKED, LLMCallFailed(retryable=True, latency_ms=1), outcome)

    assert stopped(Limits(max_step_seconds=5.5), *history) is None
    assert stopped(Limits(max_step_seconds=5), *history) == LimitReached(
        limit="max_step_seconds", value=5, maximum=5
    )
    assert stopped(Limits(max_step_seconds=5), *history, TurnResumed()) is None


@pytest.mark.parametrize(
    ("limits", "timeout", "allowed"),
    [
        (Limits(), None, Allowance(inf, "inf seconds")),
        (Limits(), 30, Allowance(30, "30 seconds")),
        (Limits(max_step_seconds=0.5), 30, Allowance(0.5, "0.5 seconds")),
        (Limits(max_step_seconds=60), 30, Allowance(30, "30 seconds")),
        (Limits(max_seconds=50), 30, Allowance(10, "the time that the run was given")),
        (Limits(max_seconds=20), None, Allowance(0, "the time that the run was given")),
        (Limits(max_seconds=90, max_step_seconds=9), None, Allowance(9, "9 seconds")),
    ],
)
def test_a_step_may_take_the_least_of_what_it_and_its_run_are_given(
    limits: Limits, timeout: float | None, allowed: Allowance
) -> None:
    assert limits.allowance(elapsed=40, timeout=timeout) == allowed


PATIENCE = 20.0


@pytest.fixture(params=["max_step_seconds", "max_seconds"])
def limit(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def limited(limit: str, seconds: float = 0.3) -> Limits:
    return Limits(**{limit: seconds})  # type: ignore[arg-type]  # both are numbers of seconds


def limit_of(store: EventStore, stream: str) -> str | None:
    """The limit that the thread's last event tells of."""
    event = events_of(store, stream)[-1]
    return event.limit if isinstance(event, LimitReached) else None


def test_a_model_call_ends_with_its_time(memory: MemoryStore, stream: str, limit: str) -> None:
    class Slow(ScriptedModel):
        def complete(self, request: ModelRequest, **more: Any) -> Completion:
            if not self.requests:
                more["cancelled"].wait(PATIENCE)
            return super().complete(request, **more)

    model = Slow([{"text": "done"}])

    result = say(memory, stream, "hi", agent_of(model, limits=limited(limit)))

    assert result.stop == "limit"
    failure = events_of(memory, stream)[-2]
    assert isinstance(failure, LLMCallFailed)
    assert failure.error_type == "timeout"
    assert limit_of(memory, stream) == limit
    assert go_on(memory, stream, agent_of(model, limits=limited(limit, 60))).response == "done"


def test_an_answer_that_came_too_late_is_kept_and_the_turn_stops(
    memory: MemoryStore, stream: str
) -> None:
    class Deaf(ScriptedModel):
        def complete(self, request: ModelRequest, **more: Any) -> Completion:
            more["cancelled"].wait(PATIENCE)
            return super().complete(request, **(more | {"cancelled": NEVER}))

    script = [calls(call("echo", "a", text="hi")), {"text": "done"}]
    agent = agent_of(Deaf(script), echo, limits=Limits(max_step_seconds=0.05))

    assert say(memory, stream, "hi", agent).stop == "limit"
    assert kinds_of(memory, stream)[-2:] == ["LLMResponseReceived", "LimitReached"]
    assert go_on(memory, stream, agent_of(script, echo)).response == "done"


@pytest.fixture
def never() -> Iterator[threading.Event]:
    """Something to wait for in vain; it comes when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def assert_timed_out(store: EventStore, stream: str, call_id: str) -> None:
    outcome = outcomes(store, stream)[call_id]
    assert isinstance(outcome, ToolExecutionFailed)
    assert outcome.error_type == "timeout"


def test_a_tool_call_ends_with_its_time_and_the_others_keep_their_results(
    memory: MemoryStore, stream: str, limit: str, never: threading.Event
) -> None:
    @tool(permission="allow", timeout=PATIENCE)
    def deaf() -> bool:
        """Take no notice of anything."""
        return never.wait(PATIENCE)

    script = [calls(call("echo", "a", text="hi"), call("deaf", "b")), {"text": "done"}]
    model = ScriptedModel(script)

    result = say(memory, stream, "hi", agent_of(model, deaf, echo, limits=limited(limit, 1)))

    assert result.stop == "limit"
    assert limit_of(memory, stream) == limit
    assert_timed_out(memory, stream, "b")
    assert type(outcomes(memory, stream)["a"]) is ToolExecutionCompleted
    again = agent_of(model, deaf, echo, limits=limited(limit, 60))
    assert go_on(memory, stream, again).response == "done"
    assert list(outcomes(memory, stream)) == ["a", "b"]
    assert "did not finish within" in str(model.requests[-1].messages[-1])


def test_a_program_that_ignores_the_end_of_its_time_is_killed(
    memory: MemoryStore, stream: str, limit: str, tmp_path: Path
) -> None:
    program = "echo $$ > pid; trap '' TERM; while :; do sleep 0.1; done"
    script = [calls(call("run_command", "a", argv=["sh", "-c", program])), {"text": "done"}]
    agent = agent_of(
        script,
        run_command,
        limits=limited(limit, 1.5),
        workspace=tmp_path,
        policy=ApprovalPolicy(allow_all=True),
    )

    assert say(memory, stream, "hi", agent).stop == "limit"

    assert limit_of(memory, stream) == limit
    assert_timed_out(memory, stream, "a")
    number = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{number}").exists())
    assert go_on(memory, stream, agent).response == "done"


def test_what_a_transactional_call_did_is_undone_at_the_end_of_its_time(
    client: MessageDBClient, stream: str, limit: str, never: threading.Event
) -> None:
    other = new_stream()

    @tool(permission="allow", transactional=True, timeout=PATIENCE)
    def tell(context: ToolContext) -> None:
        """Write an event, and never end."""
        assert context.connection is not None
        new = NewEvent(event=UnknownEvent(type_name="Told"))
        client.append(other, [new], connection=context.connection)
        never.wait(PATIENCE)

    script = [calls(call("tell", "a")), {"text": "done"}]

    assert say(client, stream, "hi", agent_of(script, tell, limits=limited(limit, 1))).stop == (
        "limit"
    )

    assert limit_of(client, stream) == limit
    assert_timed_out(client, stream, "a")
    assert events_of(client, other) == []
    assert go_on(client, stream, agent_of(script, tell)).response == "done"


def test_looking_for_what_an_interrupted_call_did_ends_with_its_time(
    memory: MemoryStore, stream: str, limit: str, never: threading.Event
) -> None:
    def look(_arguments: object, _context: ToolContext) -> bool:
        return never.wait(PATIENCE)

    @tool(permission="allow", recovery="probe", probe=look)
    def probed() -> None:
        """Do something."""

    script = [calls(call("probed", "a")), {"text": "done"}]
    asked = LLMResponseReceived(tool_calls=(ToolCall("a", "probed", {}),))
    claimed = ToolExecutionRequested(tool_name="probed", tool_call_id="a")
    begun: tuple[Event, ...] = (SessionStarted(), ASKED, LLMCallRequested(), asked, claimed)
    memory.append(stream, [NewEvent(event=event) for event in begun])

    assert go_on(memory, stream, agent_of(script, probed, limits=limited(limit))).stop == "limit"

    assert kinds_of(memory, stream)[-2:] == ["ToolExecutionFailed", "LimitReached"]
    assert limit_of(memory, stream) == limit
