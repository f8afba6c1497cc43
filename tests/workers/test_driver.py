"""What becomes of a thread after a worker had it."""

from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.session import start_session
from messagedb_agent.errors import ModelUnavailableError, UsageError
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.limits import Limit, NoSlotError, parse_limit, slots
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
