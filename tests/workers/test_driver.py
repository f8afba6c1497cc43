"""What becomes of a thread after a worker had it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.approvals import ApprovalPolicy, PolicyRule
from messagedb_agent.engine.archiving import archive_thread, unarchive_thread
from messagedb_agent.engine.limits import Limits
from messagedb_agent.engine.session import start_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import (
    ModelCallError,
    ModelUnavailableError,
    OptimisticConcurrencyError,
    UsageError,
)
from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.timers import as_text
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools import ToolRegistry
from messagedb_agent.tools.builtin.echo import echo
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.limits import Limit, NoSlotError, parse_limit, slots
from messagedb_agent.workers.queue import QueueingStore, hint, is_installed, remind
from messagedb_agent.workers.reminder import RemindingStore
from tests.workers.processes import is_answered

STREAM = "agent:v0-one"


def agent_for(_state: ThreadState) -> Agent:
    return Agent(llm=ScriptedModel([{"text": "Hello."}], "scripted"))


def waiting(store: MessageDBClient) -> list[tuple[Any, ...]]:
    with store.connection() as connection:
        return connection.execute(
            "SELECT (args ->> 'tries')::integer, scheduled_at IS NOT NULL "
            "FROM agent_queue.procrastinate_jobs"
        ).fetchall()


@pytest.fixture
def thread(queue: MessageDBClient) -> MessageDBClient:
    start_session(queue, "Go.", thread_id="one")
    return queue


def test_a_thread_that_needs_nothing_more_leaves_no_job(thread: MessageDBClient) -> None:
    Driver(thread, agent_for).drive(STREAM)

    assert is_answered(thread, STREAM, "Hello.")
    assert waiting(thread) == []


def test_a_step_that_takes_too_long_ends_the_turn_in_a_worker_too(thread: MessageDBClient) -> None:
    def patient(_state: ThreadState, seconds: float = 60) -> Agent:
        model = ScriptedModel([{"text": "Hello.", "delay_seconds": 0.2}], "scripted")
        return Agent(llm=model, limits=Limits(max_step_seconds=seconds))

    Driver(thread, lambda state: patient(state, 0.1)).drive(STREAM)

    assert [each.type for each in thread.read(STREAM)][-2:] == ["LLMCallFailed", "LimitReached"]
    assert waiting(thread) == []
    with AgentThread(thread, STREAM) as opened:
        opened.resume()
        assert opened.run(patient(opened.state)).response == "Hello."


def test_an_archived_thread_is_left_alone_whatever_it_had_to_do(queue: MessageDBClient) -> None:
    start_session(queue, "Go.", thread_id="old")
    archive_thread(queue, "agent:v0-old", force=True)
    told: list[str] = []

    Driver(queue, agent_for, complain=told.append).drive("agent:v0-old")

    assert waiting(queue) == []
    assert told == ["thread old is archived; `./cli unarchive old` brings it back"]
    unarchive_thread(queue, "agent:v0-old")


def test_a_thread_that_somebody_drives_is_looked_at_again(thread: MessageDBClient) -> None:
    held = thread.lock(STREAM)
    Driver(thread, agent_for).drive(STREAM)
    held.release()

    assert waiting(thread) == [(0, True)]
    assert not is_answered(thread, STREAM, "Hello.")


def test_a_worker_that_leaves_drives_nothing_and_loses_nothing(thread: MessageDBClient) -> None:
    driver = Driver(thread, agent_for)
    driver.leave()
    driver.drive(STREAM)

    assert waiting(thread) == [(0, False)]
    assert not is_answered(thread, STREAM, "Hello.")


def test_what_a_leaving_worker_hands_over_goes_before_what_nobody_has_begun(
    thread: MessageDBClient,
) -> None:
    start_session(QueueingStore(thread), "Go.", thread_id="fresh")
    driver = Driver(thread, agent_for)
    driver.leave()
    driver.drive(STREAM)

    with thread.connection() as connection:
        rows = connection.execute(
            "SELECT lock FROM agent_queue.procrastinate_jobs ORDER BY priority DESC, id"
        ).fetchall()
    assert rows == [(STREAM,), ("agent:v0-fresh",)]


def test_trouble_is_told_and_tried_again_later(thread: MessageDBClient) -> None:
    def unavailable(_state: ThreadState) -> Agent:
        raise ModelUnavailableError("there is no such model")

    said: list[str] = []
    Driver(thread, unavailable, complain=said.append).drive(STREAM, tries=3)

    assert said == [f"{STREAM}: there is no such model; trying again in 8 s"]
    assert waiting(thread) == [(4, True)]


def test_a_turn_over_the_limit_waits(thread: MessageDBClient) -> None:
    limits = (Limit("script*", 1),)
    driver = Driver(thread, agent_for, limits=limits)
    with slots(thread, limits, "scripted", "agent"):
        driver.drive(STREAM)
        assert waiting(thread) == [(0, True)]
        assert due_in(thread) > 20

    assert waiting(thread) == [(0, False)], "the slot was offered when it was given back"
    driver.drive(STREAM)
    assert is_answered(thread, STREAM, "Hello.")


def test_limits_count_what_they_cover(queue: MessageDBClient) -> None:
    limits = (Limit("claude-*", 2), Limit("category:trial", 1))
    with slots(queue, limits, "claude-1", "agent"), slots(queue, limits, "claude-2", "trial"):
        for model, category in (("claude-1", "agent"), ("other", "trial")):
            with pytest.raises(NoSlotError), slots(queue, limits, model, category):
                raise AssertionError("there was no slot left")
        with slots(queue, limits, "other", "agent"):
            pass


@pytest.mark.parametrize("text", ["", "model", "model=", "=3", "model=0", "model=-1", "model=x"])
def test_a_wrong_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_limit(text)


def test_a_limit_s_pattern_may_hold_an_equals_sign() -> None:
    assert parse_limit("a=b=3") == Limit("a=b", 3)


def test_a_pause_before_another_attempt_holds_no_place(thread: MessageDBClient) -> None:
    driver = Driver(thread, lambda _state: Agent(llm=Busy()))
    driver.drive(STREAM)

    assert [record.type for record in thread.read(STREAM)][-1] == "LLMCallFailed"
    assert 20 < due_in(thread) <= 30
    driver.drive(STREAM)
    claims = [r.event for r in thread.read(STREAM) if isinstance(r.event, LLMCallRequested)]
    assert [claim.attempt for claim in claims] == [1], "it was looked at too early"


def test_a_call_that_waits_is_looked_at_when_its_time_is_over(thread: MessageDBClient) -> None:
    asks = {"tool_calls": [{"name": "echo", "arguments": {"text": "hi"}}]}
    waits = Agent(
        llm=ScriptedModel([asks], "scripted"),
        tools=ToolRegistry(echo),
        policy=ApprovalPolicy(rules=(PolicyRule(permission="ask"),)),
        approval_timeout=3600,
    )
    Driver(thread, lambda _state: waits).drive(STREAM)

    assert 3500 < due_in(thread) <= 3600


def test_a_scheduled_message_is_looked_for_when_it_is_due(queue: MessageDBClient) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    start_session(queue, "Later.", thread_id="one", due_at=due)
    Driver(queue, agent_for).drive(STREAM)

    assert 3500 < due_in(queue) <= 3600


def test_a_message_whose_time_has_come_is_answered_once(queue: MessageDBClient) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    start_session(queue, "Now.", thread_id="one", due_at=past)
    for _ in range(2):
        Driver(queue, agent_for).drive(STREAM)

    kinds = [record.type for record in queue.read(STREAM)]
    assert kinds.count("UserMessageAdded") == kinds.count("LLMResponseReceived") == 1


def test_time_is_kept_for_threads_of_others_without_driving_them(thread: MessageDBClient) -> None:
    lost = LLMCallRequested(
        model_name="m", run_id="r", run_timeout=1.0, run_deadline="2026-01-01T00:00:00.000Z"
    )
    thread.append(STREAM, [NewEvent(event=lost)])
    driver = Driver(thread, agent_for)
    driver.keep_time(STREAM)
    driver.keep_time(STREAM)

    assert [record.type for record in thread.read(STREAM)][-2:] == ["LLMCallFailed", "LimitReached"]
    assert waiting(thread) == []


def test_a_run_outside_of_workers_leaves_a_reminder(thread: MessageDBClient) -> None:
    agent = Agent(llm=ScriptedModel([{"text": "Hello."}], "scripted"), run_timeout=3600)
    with AgentThread(RemindingStore(thread), STREAM) as driven:
        driven.run(agent)

    assert 3500 < due_in(thread) <= 3610
    with thread.connection() as connection:
        args = connection.execute("SELECT args FROM agent_queue.procrastinate_jobs").fetchone()
        known = connection.execute("SELECT count(*) FROM agent_queue.threads").fetchone()
    assert args == ({"stream_name": STREAM, "only_time": True},)
    assert known == (0,), "a reminder does not leave the thread to workers"


def test_a_reminder_is_committed_with_the_claim_or_not_at_all(thread: MessageDBClient) -> None:
    due = as_text(datetime.now(UTC) + timedelta(hours=1))
    claim = NewEvent(event=LLMCallRequested(model_name="m", run_id="r", run_deadline=due))
    reminding = RemindingStore(thread)
    with pytest.raises(OptimisticConcurrencyError):
        reminding.append(STREAM, [claim], expected_version=7)
    assert waiting(thread) == []

    (recorded,) = reminding.append(STREAM, [claim], expected_version=1)
    assert waiting(thread) == [(None, True)]
    # What was written by an attempt whose COMMIT got no answer is found, not written again.
    (found,) = RemindingStore(thread).append(STREAM, [claim], expected_version=1)
    assert found.position == recorded.position == 2


def test_a_reminder_becomes_a_hint_when_the_thread_is_left_to_workers(
    queue: MessageDBClient,
) -> None:
    with queue.connection() as connection:
        remind(connection, STREAM, 3600.0)
        hint(connection, STREAM, delay=60.0)
        args = connection.execute("SELECT args FROM agent_queue.procrastinate_jobs").fetchone()

    assert args == ({"stream_name": STREAM},)
    assert due_in(queue) <= 60


def test_a_reminder_that_was_lost_stays_one(queue: MessageDBClient) -> None:
    with queue.connection() as connection:
        remind(connection, STREAM, 0.0)
        connection.execute("SET search_path = agent_queue")
        row = connection.execute(
            "UPDATE agent_queue.procrastinate_jobs SET status = 'doing' RETURNING id"
        ).fetchone()
        assert row is not None
        connection.execute("SELECT agent_queue.put_back(%s)", row)
        connection.execute("RESET search_path")
        args = connection.execute("SELECT args FROM agent_queue.procrastinate_jobs").fetchone()

    assert args == ({"stream_name": STREAM, "only_time": True},)


class Busy(ScriptedModel):
    """A provider that is asked too often."""

    def __init__(self) -> None:
        super().__init__([], "busy")

    def complete(self, request: ModelRequest, **_more: Any) -> Completion:  # noqa: ARG002 - the protocol names it
        raise ModelCallError("slow down", error_type="rate_limit", retryable=True, retry_after=30.0)


def due_in(store: MessageDBClient) -> float:
    """In how many seconds the only job is due."""
    with store.connection() as connection:
        (row,) = connection.execute(
            "SELECT extract(epoch FROM scheduled_at - now()) FROM agent_queue.procrastinate_jobs"
        ).fetchall()
    return float(row[0])


def test_without_a_queue_nobody_is_reminded(store: MessageDBClient) -> None:
    with store.connection() as connection:
        remind(connection, STREAM, 0.0)
        assert not is_installed(connection)
