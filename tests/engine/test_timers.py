"""What is due is recorded by whoever notices, once: ends of runs, approvals, messages, attempts."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messagedb_agent.engine.session import add_message, approve, read_state, start_session
from messagedb_agent.engine.settle import settle, settle_late
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ModelCallError, RunDeferredError
from messagedb_agent.events import (
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    MessageScheduled,
    ToolCall,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.retry import RetryPolicy
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.runs import runs
from messagedb_agent.projections.timers import as_text, as_time, next_due
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import ToolContext, tool
from tests.engine.helpers import agent_of, call, calls, events_of, go_on, kinds_of, say

PAST = "2026-01-01T00:00:00.000Z"
FUTURE = "2999-01-01T00:00:00.000Z"


def of(store: EventStore, stream: str, kind: type[Event]) -> list[Any]:
    return [event for event in events_of(store, stream) if isinstance(event, kind)]


def given(store: EventStore, stream: str, *events: Event) -> None:
    start_session(store, "Go.", thread_id=stream.partition("-")[2], category="engine")
    store.append(stream, [NewEvent(event=event) for event in events])


def claimed(deadline: str) -> LLMCallRequested:
    """The claim of a process that is gone."""
    return LLMCallRequested(
        model_name="scripted", run_id="lost", run_timeout=60.0, run_deadline=deadline
    )


@tool(permission="allow")
def linger(context: ToolContext) -> str:
    """Wait until nobody waits any more."""
    context.cancelled.wait(30)
    return "waited"


def test_each_claim_says_which_run_makes_it(memory: MemoryStore, stream: str) -> None:
    agent = agent_of([calls(call("linger", "c1")), {"text": "Late."}], linger, run_timeout=0.2)
    say(memory, stream, "Go.", agent)

    claims = of(memory, stream, LLMCallRequested) + of(memory, stream, ToolExecutionRequested)
    assert len({(claim.run_id, claim.run_timeout, claim.run_deadline) for claim in claims}) == 1
    assert claims[0].run_timeout == 0.2


def test_the_driver_ends_its_run_in_the_middle_of_a_step(memory: MemoryStore, stream: str) -> None:
    agent = agent_of([calls(call("linger", "c1"))], linger, run_timeout=0.2)
    result = say(memory, stream, "Go.", agent)

    assert result.stop == "limit"
    assert kinds_of(memory, stream)[-2:] == ["ToolExecutionFailed", "LimitReached"]
    assert of(memory, stream, LimitReached)[0].limit == "run_timeout"
    assert [run.state for run in runs(memory.read(stream))] == ["failed"]


def test_a_turn_whose_run_took_too_long_can_be_resumed(memory: MemoryStore, stream: str) -> None:
    agent = agent_of([calls(call("linger", "c1")), {"text": "On time."}], linger, run_timeout=0.2)
    say(memory, stream, "Go.", agent)

    assert go_on(memory, stream, agent).response == "On time."
    assert [run.state for run in runs(memory.read(stream))] == ["failed", "completed"]


def test_the_next_driver_ends_a_run_whose_process_is_gone(memory: MemoryStore, stream: str) -> None:
    given(memory, stream, claimed(PAST))
    with AgentThread(memory, stream) as thread:
        result = thread.run(agent_of([{"text": "unasked"}]))

    assert result.stop == "limit"
    assert kinds_of(memory, stream)[-2:] == ["LLMCallFailed", "LimitReached"]


def test_continue_goes_on_after_a_lost_run_at_once(memory: MemoryStore, stream: str) -> None:
    given(memory, stream, claimed(PAST))

    assert go_on(memory, stream, agent_of([{"text": "Here."}])).response == "Here."
    assert [run.state for run in runs(memory.read(stream))] == ["failed", "completed"]


def test_a_message_that_a_lost_run_never_saw_is_answered(memory: MemoryStore, stream: str) -> None:
    given(memory, stream, claimed(PAST))

    assert say(memory, stream, "And this?", agent_of([{"text": "Yes."}])).response == "Yes."
    assert len(of(memory, stream, LimitReached)) == 1


def test_a_lost_run_goes_on_under_its_id_and_deadline(memory: MemoryStore, stream: str) -> None:
    given(memory, stream, claimed(FUTURE))
    with AgentThread(memory, stream) as thread:
        assert thread.run_id == "lost"
        thread.run(agent_of([{"text": "Done."}], run_timeout=1.0))

    marks = [(one.run_id, one.run_deadline) for one in of(memory, stream, LLMCallRequested)]
    assert marks == [("lost", FUTURE)] * 2


def test_many_who_notice_end_a_run_once(memory: MemoryStore, stream: str) -> None:
    given(memory, stream, claimed(PAST))
    together = threading.Barrier(8)

    def notice() -> None:
        together.wait()
        settle(memory, stream)

    noticing = [threading.Thread(target=notice) for _ in range(8)]
    for each in noticing:
        each.start()
    for each in noticing:
        each.join()

    assert kinds_of(memory, stream)[3:] == ["LLMCallFailed", "LimitReached"]


def test_who_only_watches_leaves_it_to_the_driver_for_a_moment(
    memory: MemoryStore, stream: str
) -> None:
    given(memory, stream, claimed(as_text(datetime.now(UTC))))

    assert settle_late(memory, stream).run.is_open
    assert not settle(memory, stream).run.is_open


def test_an_approval_that_nobody_gave_is_refused_when_due(memory: MemoryStore, stream: str) -> None:
    agent = agent_of(
        [calls(call("ask_me", "c1")), {"text": "Then not."}], ask_me, approval_timeout=60
    )
    assert say(memory, stream, "Go.", agent).stop == "waiting"
    due = next_due(read_state(memory, stream))
    assert due is not None

    settle(memory, stream, lambda: due - timedelta(milliseconds=1))
    assert of(memory, stream, ToolExecutionRejected) == []
    settle(memory, stream, lambda: due)
    settle(memory, stream, lambda: due)

    assert [each.reason for each in of(memory, stream, ToolExecutionRejected)] == ["timed out"]
    assert go_on(memory, stream, agent).response == "Then not."


def test_any_driver_refuses_an_approval_that_is_overdue(memory: MemoryStore, stream: str) -> None:
    agent = agent_of(
        [calls(call("ask_me", "c1")), {"text": "Then not."}], ask_me, approval_timeout=0
    )
    assert say(memory, stream, "Go.", agent).response == "Then not."


def test_an_approval_in_time_is_no_longer_due(memory: MemoryStore, stream: str) -> None:
    agent = agent_of([calls(call("ask_me", "c1")), {"text": "Done."}], ask_me, approval_timeout=60)
    state = say(memory, stream, "Go.", agent).state
    approve(memory, stream, state.calls.pending)

    assert next_due(read_state(memory, stream)) is None
    assert go_on(memory, stream, agent).response == "Done."


def test_a_run_that_waits_for_a_person_is_not_bounded(memory: MemoryStore, stream: str) -> None:
    agent = agent_of([calls(call("ask_me", "c1"))], ask_me, run_timeout=60)
    state = say(memory, stream, "Go.", agent).state

    assert next_due(state) is None
    assert [run.state for run in runs(memory.read(stream))] == ["awaiting approval"]


@tool(permission="ask")
def ask_me() -> str:
    """Ask first."""
    return "asked"


def test_a_scheduled_message_is_added_once_it_is_due(memory: MemoryStore, stream: str) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    say(memory, stream, "Go.", agent_of([{"text": "Gone."}]))
    add_message(memory, stream, "Remember!", due_at=due)
    assert next_due(read_state(memory, stream)) == as_time(as_text(due))

    settle(memory, stream)
    assert len(of(memory, stream, UserMessageAdded)) == 1
    for _ in range(2):
        settle(memory, stream, lambda: due)

    (scheduled,) = of(memory, stream, MessageScheduled)
    added = of(memory, stream, UserMessageAdded)[1]
    assert (added.message, added.schedule_id) == ("Remember!", scheduled.schedule_id)
    assert len(of(memory, stream, UserMessageAdded)) == 2
    assert next_due(read_state(memory, stream)) is None


def test_a_thread_may_begin_with_a_message_for_later(memory: MemoryStore, stream: str) -> None:
    due = datetime.now(UTC) - timedelta(seconds=1)
    thread_id = stream.partition("-")[2]
    start_session(memory, "Later.", thread_id=thread_id, category="engine", due_at=due)
    with AgentThread(memory, stream) as thread:
        assert thread.run(agent_of([{"text": "Now."}])).response == "Now."


class Failing(ScriptedModel):
    """Fails as often as it is told to, with what a provider says when it is asked too often."""

    def __init__(self, failures: int, retry_after: float) -> None:
        super().__init__([{"text": "At last."}])
        self.left, self.retry_after = failures, retry_after

    def complete(self, request: ModelRequest, **more: Any) -> Completion:
        if self.left:
            self.left -= 1
            raise ModelCallError(
                "slow down", error_type="rate_limit", retryable=True, retry_after=self.retry_after
            )
        return super().complete(request, **more)


def test_a_run_that_defers_leaves_instead_of_sleeping(memory: MemoryStore, stream: str) -> None:
    agent = agent_of(Failing(1, retry_after=30.0))
    with AgentThread(memory, stream, defers=True) as thread:
        thread.start("Go.")
        with pytest.raises(RunDeferredError) as deferred:
            thread.run(agent)

    assert 29 < deferred.value.seconds <= 30
    assert kinds_of(memory, stream)[-1] == "LLMCallFailed"


def test_the_next_attempt_goes_on_from_a_deferred_one(memory: MemoryStore, stream: str) -> None:
    agent = agent_of(Failing(1, retry_after=0.2))
    with AgentThread(memory, stream, defers=True) as thread:
        thread.start("Go.")
        with pytest.raises(RunDeferredError):
            thread.run(agent)
    with AgentThread(memory, stream) as thread:
        # Here the rest of the pause is waited for.
        assert thread.run(agent).response == "At last."

    claims = of(memory, stream, LLMCallRequested)
    assert [claim.attempt for claim in claims] == [1, 2]
    assert claims[0].run_id == claims[1].run_id


def test_the_time_for_all_attempts_counts_over_processes(memory: MemoryStore, stream: str) -> None:
    began = as_text(datetime.now(UTC) - timedelta(seconds=100))
    failed = LLMCallFailed(
        error_type="rate_limit", retryable=True, retry_at=began, first_attempt_at=began
    )
    given(memory, stream, LLMCallRequested(model_name="scripted", run_id="r"), failed)
    agent = agent_of(Failing(5, retry_after=0.0), retry=RetryPolicy(first_pause=0, deadline=60.0))
    with AgentThread(memory, stream) as thread:
        assert thread.run(agent).stop == "failed"

    assert [each.retryable for each in of(memory, stream, LLMCallFailed)] == [True, False]


def test_a_step_that_was_timed_out_says_so(memory: MemoryStore, stream: str) -> None:
    asked = LLMResponseReceived(tool_calls=(ToolCall("c1", "linger", {}),))
    ran = ToolExecutionRequested(
        tool_name="linger", tool_call_id="c1", run_id="lost", run_timeout=1.0, run_deadline=PAST
    )
    given(memory, stream, claimed(PAST), asked, ran)
    settle(memory, stream)

    (failure,) = of(memory, stream, ToolExecutionFailed)
    assert (failure.tool_call_id, failure.error_type) == ("c1", "timeout")
