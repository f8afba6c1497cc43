"""Limits that several workers share: who waits for a slot, and that no more turns run at once."""

from __future__ import annotations

from contextlib import suppress
from itertools import accumulate
from pathlib import Path

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.session import add_message, start_session
from messagedb_agent.errors import ThreadBusyError
from messagedb_agent.events.agent import LLMCallRequested, LLMResponseReceived
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.base import ThreadLock
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.limits import Limit, slots
from messagedb_agent.workers.queue import QueueingStore
from tests.workers.processes import (
    check,
    eventually,
    history,
    is_answered,
    of,
    tool_turn,
    workers,
    write_script,
)

LIMIT = Limit("scripted", 1)


def driver_of(queue: MessageDBClient, *limits: Limit) -> Driver:
    model = ScriptedModel([{"text": "Hello."}], "scripted")
    return Driver(queue, lambda _state: Agent(llm=model), limits=limits)


def begin_in(queue: MessageDBClient, category: str, name: str) -> str:
    """A thread that was left to workers, and whose job one of them has fetched."""
    start_session(QueueingStore(queue), "Go.", thread_id=name, category=category)
    fetch(queue, f"{category}:v0-{name}")
    return f"{category}:v0-{name}"


def three_for_two_slots(queue: MessageDBClient) -> tuple[Limit, Driver, list[str]]:
    two = Limit("scripted", 2)
    streams = [begin_in(queue, "agent", name) for name in ("one", "two", "three")]
    return two, driver_of(queue, two), streams


def fetch(queue: MessageDBClient, stream_name: str) -> float | None:
    """Take a thread's job out of the queue; since when it has waited for a slot."""
    with queue.connection() as connection, connection.transaction():
        connection.execute("SET LOCAL search_path = agent_queue")
        row = connection.execute(
            "DELETE FROM procrastinate_jobs WHERE lock = %s "
            "RETURNING (args ->> 'waits_since')::double precision",
            (stream_name,),
        ).fetchone()
    assert row is not None
    return None if row[0] is None else float(row[0])


def held_by_another(queue: MessageDBClient, limit: Limit) -> ThreadLock:
    """A slot that is given back without a word."""
    for name in limit.names():
        with suppress(ThreadBusyError):
            return queue.lock(name)
    raise AssertionError("there was no slot left")


def ready(queue: MessageDBClient) -> list[str]:
    """The threads that a worker would take up now, in that order."""
    with queue.connection() as connection:
        rows = connection.execute(
            "SELECT lock FROM agent_queue.procrastinate_jobs "
            "WHERE scheduled_at IS NULL ORDER BY priority DESC, id"
        ).fetchall()
    return [row[0] for row in rows]


class Late(MessageDBClient):
    """Is refused a slot that `holder` gives back in that very moment."""

    holder: ThreadLock

    def lock(self, stream_name: str) -> ThreadLock:
        try:
            return super().lock(stream_name)
        except ThreadBusyError:
            self.holder.release()
            raise


def test_a_slot_that_is_given_back_wakes_who_has_waited_longest(queue: MessageDBClient) -> None:
    one, two = (begin_in(queue, "agent", name) for name in ("one", "two"))
    driver = driver_of(queue, LIMIT)
    with slots(queue, [LIMIT], "scripted", "agent"):
        for stream in (one, two):
            driver.drive(stream)
        assert ready(queue) == []

    assert ready(queue) == [one]


def test_who_is_woken_goes_before_those_that_nobody_has_begun(queue: MessageDBClient) -> None:
    woken = begin_in(queue, "agent", "one")
    with slots(queue, [LIMIT], "scripted", "agent"):
        driver_of(queue, LIMIT).drive(woken)
        start_session(QueueingStore(queue), "Go.", thread_id="fresh")

    assert ready(queue) == [woken, "agent:v0-fresh"]


def test_who_was_too_late_for_a_slot_keeps_its_place(queue: MessageDBClient) -> None:
    one, two = (begin_in(queue, "agent", name) for name in ("one", "two"))
    driver = driver_of(queue, LIMIT)
    with slots(queue, [LIMIT], "scripted", "agent"):
        for stream in (one, two):
            driver.drive(stream)
        add_message(QueueingStore(queue), one, "Hurry.")
        assert ready(queue) == [one]
        driver.drive(one, waits_since=fetch(queue, one))
        assert ready(queue) == []

    assert ready(queue) == [one]


def test_a_slot_that_was_given_back_before_a_thread_began_to_wait_is_not_missed(
    queue: MessageDBClient, dsn: str
) -> None:
    stream = begin_in(queue, "agent", "one")
    with Late({"dbname": dsn}) as late:
        late.holder = queue.lock(*LIMIT.names())
        driver_of(late, LIMIT).drive(stream)

    assert ready(queue) == [stream]


def test_what_a_dead_worker_held_is_used_with_the_next_slot_that_is_given_back(
    queue: MessageDBClient,
) -> None:
    two, driver, streams = three_for_two_slots(queue)
    with slots(queue, [two], "scripted", "agent"):
        dead = held_by_another(queue, two)
        for stream in streams:
            driver.drive(stream)
        dead.release()

    assert ready(queue) == streams[:2]


def test_who_is_on_the_way_to_a_slot_is_not_taken_for_another_free_one(
    queue: MessageDBClient,
) -> None:
    two, driver, streams = three_for_two_slots(queue)
    with slots(queue, [two], "scripted", "agent"):
        with slots(queue, [two], "scripted", "agent"):
            for stream in streams:
                driver.drive(stream)
        assert ready(queue) == streams[:1]

    assert ready(queue) == streams[:2]


def test_what_was_begun_elsewhere_does_not_wait_behind_what_was_not(
    queue: MessageDBClient,
) -> None:
    fresh, begun = (begin_in(queue, "agent", name) for name in ("one", "two"))
    leaving = driver_of(queue, LIMIT)
    leaving.leave()
    leaving.drive(begun)
    driver = driver_of(queue, LIMIT)
    with slots(queue, [LIMIT], "scripted", "agent"):
        driver.drive(fresh)
        driver.drive(begun, waits_since=fetch(queue, begun))

    assert ready(queue) == [begun]


def test_a_slot_that_nobody_may_use_for_want_of_another_goes_to_the_next(
    queue: MessageDBClient,
) -> None:
    trial, paying = begin_in(queue, "trial", "one"), begin_in(queue, "agent", "two")
    both = (Limit("category:trial", 1), LIMIT)
    driver = driver_of(queue, *both)
    with slots(queue, [LIMIT], "scripted", "agent"):
        for stream in (trial, paying):
            driver.drive(stream)
    assert ready(queue) == [trial]

    with slots(queue, both[:1], "scripted", "trial"):
        driver.drive(trial, waits_since=fetch(queue, trial))
        assert ready(queue) == [paying]


def at_once(store: MessageDBClient, streams: list[str]) -> int:
    """The most model calls that were claimed and had no answer at the same time."""
    steps = [
        (record.time, 1 if isinstance(record.event, LLMCallRequested) else -1)
        for stream in streams
        for record in of(history(store, stream), LLMCallRequested, LLMResponseReceived)
    ]
    return max(accumulate(change for _, change in sorted(steps)))


def test_a_limit_is_kept_by_all_workers_together(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, *tool_turn(calls=1, delay=0.1))
    limits = ("--limit", "category:trial=2", "--limit", "scripted*=5")
    with workers(3, dsn, script, "--concurrency", "6", *limits) as three:
        queueing = QueueingStore(store)
        trial, paying = (
            [
                f"{category}:v0-{start_session(queueing, 'Go.', category=category)}"
                for _ in range(10)
            ]
            for category in ("trial", "agent")
        )
        both = [*trial, *paying]
        eventually(lambda: all(is_answered(store, each) for each in both), 60, three[0].said)

    assert at_once(store, trial) <= 2
    assert at_once(store, both) <= 5
    for stream in both:
        check(history(store, stream), tool_calls=1)
