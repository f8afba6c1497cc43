"""Appends of many threads in one transaction: none is lost, none is written twice, none waits."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.errors import OptimisticConcurrencyError
from messagedb_agent.events import RecordedEvent, UserMessageAdded
from messagedb_agent.store.base import NO_STREAM, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.group_commit import MOST_APPENDS, MOST_CHARACTERS, GroupCommit
from messagedb_agent.store.operations import Batch
from tests.waiting import wait_for_wanted_lock, wait_until

CATEGORY = "agent:v0"
BREAK_WRITERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE '%write_message%'
        AND pid <> pg_backend_pid() AND random() < 0.05
"""
Recorded = tuple[RecordedEvent, ...]


def said(text: str = "hi") -> Batch:
    stream_name = f"{CATEGORY}-{uuid4()}"
    return Batch.of(stream_name, [NewEvent(event=UserMessageAdded(message=text))])


def recorded(batch: Batch) -> Recorded:
    """What a store would answer."""
    return tuple(
        RecordedEvent(
            id=new.id,
            event=new.event,
            stream_name=batch.stream_name,
            position=position,
            global_position=position,
            time=datetime(2026, 1, 1),  # noqa: DTZ001 - Message DB keeps UTC without a zone
        )
        for position, new in enumerate(batch.events)
    )


class Writers:
    """Threads that append, and a store that lets an append end when it is told to."""

    def __init__(self, together: Callable[[Sequence[Batch]], list[Recorded]]) -> None:
        self.commits = GroupCommit(together)
        self.alone: list[Batch] = []
        self.gate = threading.Event()
        self._pool = ThreadPoolExecutor(64)

    def append(self, batch: Batch) -> Future[Recorded]:
        """Append in a thread, and return once it writes or waits."""
        before = len(self.alone) + self.commits.waiting(CATEGORY)
        future = self._pool.submit(self.commits.append, batch, lambda: self._write(batch))
        wait_until(lambda: len(self.alone) + self.commits.waiting(CATEGORY) > before)
        return future

    def _write(self, batch: Batch) -> Recorded:
        self.alone.append(batch)
        assert self.gate.wait(30)
        return recorded(batch)


def test_whoever_finds_no_other_append_under_way_writes_alone() -> None:
    writers = Writers(lambda _batches: pytest.fail("nobody else appends"))
    writers.gate.set()
    first, second = said(), said()

    assert writers.append(first).result() == recorded(first)
    assert writers.append(second).result() == recorded(second)

    assert writers.alone == [first, second]


def test_those_that_come_meanwhile_are_written_together_in_their_order() -> None:
    groups: list[list[Batch]] = []

    def together(batches: Sequence[Batch]) -> list[Recorded]:
        groups.append(list(batches))
        return [recorded(batch) for batch in batches]

    writers = Writers(together)
    batches = [said() for _ in range(5)]

    futures = [writers.append(batch) for batch in batches]
    writers.gate.set()

    assert [future.result() for future in futures] == [recorded(batch) for batch in batches]
    assert writers.alone == batches[:1]
    assert groups == [batches[1:]]


def test_a_group_holds_no_more_than_a_short_transaction_does() -> None:
    groups: list[list[Batch]] = []

    def together(batches: Sequence[Batch]) -> list[Recorded]:
        groups.append(list(batches))
        return [recorded(batch) for batch in batches]

    writers = Writers(together)
    half = "x" * (MOST_CHARACTERS // 2)
    batches = [said(), *(said() for _ in range(MOST_APPENDS + 1)), said(half), said(half)]

    futures = [writers.append(batch) for batch in batches]
    writers.gate.set()
    for future in futures:
        future.result()

    assert [len(group) for group in groups] == [MOST_APPENDS, 2]
    assert writers.alone == [batches[0], batches[-1]]


def test_when_a_group_can_not_be_written_each_of_it_is_written_by_itself() -> None:
    def together(_batches: Sequence[Batch]) -> list[Recorded]:
        raise psycopg.OperationalError("the connection is lost")

    writers = Writers(together)
    batches = [said() for _ in range(4)]

    futures = [writers.append(batch) for batch in batches]
    writers.gate.set()

    assert [future.result() for future in futures] == [recorded(batch) for batch in batches]
    assert sorted(writers.alone) == sorted(batches)


def test_an_append_that_fails_lets_the_next_ones_go_on() -> None:
    writers = Writers(lambda batches: [recorded(batch) for batch in batches])
    follower = said()
    under_way = threading.Event()

    def refuse() -> Recorded:
        under_way.set()
        assert writers.gate.wait(30)
        raise OptimisticConcurrencyError("agent:v0-1", 3, 4)

    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(writers.commits.append, said(), refuse)
        assert under_way.wait(30)
        future = writers.append(follower)
        writers.gate.set()

        with pytest.raises(OptimisticConcurrencyError):
            refused.result()
    assert future.result() == recorded(follower)


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_nobody_waits_for_an_append_that_was_interrupted_while_it_waited() -> None:
    writers = Writers(lambda batches: [recorded(batch) for batch in batches])
    first, last = said(), said()
    futures = [writers.append(first)]
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        wait_until(lambda: writers.commits.waiting(CATEGORY) == 1)
        signal.pthread_kill(main, signal.SIGINT)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            writers.commits.append(said(), lambda: pytest.fail("it was interrupted"))

    futures.append(writers.append(last))
    writers.gate.set()

    assert [future.result() for future in futures] == [recorded(first), recorded(last)]


def test_appends_to_another_category_do_not_wait() -> None:
    writers = Writers(lambda batches: [recorded(batch) for batch in batches])
    waiting = writers.append(said())
    other = Batch.of("other:v0-1", [NewEvent(event=UserMessageAdded(message="hi"))])

    assert writers.commits.append(other, lambda: recorded(other)) == recorded(other)

    writers.gate.set()
    waiting.result()


def test_of_appends_that_share_a_transaction_only_the_wrong_one_is_refused(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    streams = [f"{CATEGORY}-{uuid4()}" for _ in range(12)]
    wrong = streams[::4]

    def append(stream_name: str) -> Recorded:
        event = NewEvent(event=UserMessageAdded(message=stream_name))
        expected = 7 if stream_name in wrong else NO_STREAM
        return client.append(stream_name, [event], expected_version=expected)

    with (
        ThreadPoolExecutor(len(streams)) as pool,
        psycopg.connect(**message_db) as other,
        psycopg.connect(**message_db, autocommit=True) as onlooker,
    ):
        other.execute("SELECT message_store.acquire_lock(%s)", (streams[0],))
        futures = {name: pool.submit(append, name) for name in streams}
        wait_for_wanted_lock(onlooker)
        other.rollback()

        for name, future in futures.items():
            if name in wrong:
                with pytest.raises(OptimisticConcurrencyError):
                    future.result()
            else:
                (written,), (stored,) = future.result(), client.read(name)
                assert (written.id, written.global_position, written.time) == (
                    stored.id,
                    stored.global_position,
                    stored.time,
                )
    assert [client.version(name) for name in wrong] == [NO_STREAM] * len(wrong)


def test_connections_that_break_cost_no_event_and_repeat_none(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    streams = [f"{CATEGORY}-{uuid4()}" for _ in range(8)]
    new = {
        name: [NewEvent(event=UserMessageAdded(message=str(n))) for n in range(30)]
        for name in streams
    }
    done = threading.Event()

    def append_all(name: str) -> None:
        for version, event in enumerate(new[name]):
            client.append(name, [event], expected_version=version - 1)

    def break_connections() -> int:
        broken = 0
        with psycopg.connect(autocommit=True, **message_db) as other:
            while not done.is_set():
                broken += len(other.execute(BREAK_WRITERS).fetchall())
        return broken

    with ThreadPoolExecutor(len(streams) + 1) as pool:
        breaking = pool.submit(break_connections)
        try:
            for future in [pool.submit(append_all, name) for name in streams]:
                future.result()
        finally:
            done.set()

    assert breaking.result() > 0
    for name in streams:
        assert [event.id for event in client.read(name)] == [event.id for event in new[name]]
