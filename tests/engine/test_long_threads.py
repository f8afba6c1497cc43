"""A thread with much behind it opens from a snapshot, and is none the worse for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.recorder import SNAPSHOT_AFTER
from messagedb_agent.engine.session import read_state, start_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.events import LLMResponseReceived, UserMessageAdded
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store import schema
from messagedb_agent.store.base import FIRST_BATCH_SIZE, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name
from messagedb_agent.store.wrapper import StoreWrapper
from tests.postgres import NewDatabase

AGENT = Agent(llm=OfflineModel())

_COUNT = "SELECT count(*), max(position) FROM messagedb_agent.snapshots WHERE stream_name = %s"


@pytest.fixture
def store(server: NewDatabase) -> Iterator[MessageDBClient]:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    with MessageDBClient(conninfo_to_dict(dsn)) as store:
        yield store


@pytest.fixture
def stream(store: MessageDBClient) -> str:
    """A thread of one event less than a snapshot is worth."""
    thread_id = start_session(store, "hello", thread_id=str(uuid4()))
    stream = build_stream_name("agent", "v0", thread_id)
    past = [
        NewEvent(event=event)
        for place in range(SNAPSHOT_AFTER // 2 - 1)
        for event in (
            LLMResponseReceived(response_text=f"answer {place}"),
            UserMessageAdded(message=f"message {place}"),
        )
    ]
    store.append(stream, past[:-1])
    return stream


def another_process(store: MessageDBClient) -> StoreWrapper[MessageDBClient]:
    """Threads are remembered with the store, and nothing is known to one that is new."""
    return StoreWrapper(store)


def answer(store: MessageDBClient, stream: str, message: str, *seen: Any) -> None:
    with AgentThread(another_process(store), stream, observers=seen) as thread:
        thread.send(message)
        assert thread.run(AGENT).stop == "done"


def kept(store: MessageDBClient, stream: str) -> tuple[int, int]:
    with store.connection() as connection:
        row = connection.execute(_COUNT, (stream,)).fetchone()
    assert row is not None
    return row[0], row[1]


def test_the_turn_that_makes_a_thread_long_keeps_a_snapshot(
    store: MessageDBClient, stream: str
) -> None:
    answer(store, stream, "one more")

    assert kept(store, stream) == (1, store.version(stream))


def test_a_thread_opened_from_its_snapshot_is_the_same_thread(
    store: MessageDBClient, stream: str
) -> None:
    answer(store, stream, "one more")
    read: list[RecordedEvent] = []
    answer(store, stream, "and another", read.append)

    whole = THREAD_STATE.at_start().advance(store.read(stream))

    assert read_state(another_process(store), stream) == whole.state
    assert [record.position for record in read] == list(
        range(kept(store, stream)[1] + 1, whole.version + 1)
    )


class Reading(StoreWrapper[MessageDBClient]):
    """Counts the events that are read."""

    count = 0

    def read(self, stream_name: str, **where: Any) -> Iterator[RecordedEvent]:
        for record in super().read(stream_name, **where):
            self.count += 1
            yield record


def test_what_a_snapshot_covers_is_not_read_beyond_the_first_page(
    store: MessageDBClient, stream: str
) -> None:
    answer(store, stream, "one more")
    another = Reading(store)

    read_state(another, stream)

    assert another.count == FIRST_BATCH_SIZE


def test_a_thread_that_is_opened_again_keeps_no_other_snapshot(
    store: MessageDBClient, stream: str
) -> None:
    for message in ("one more", "and another"):
        with AgentThread(store, stream) as thread:
            thread.send(message)
            thread.run(AGENT)

    assert kept(store, stream)[1] < store.version(stream)


def test_snapshots_may_be_deleted_at_any_time(store: MessageDBClient, stream: str) -> None:
    answer(store, stream, "one more")
    with store.connection() as connection:
        connection.execute("DROP SCHEMA messagedb_agent CASCADE")

    answer(store, stream, "and another")

    whole = THREAD_STATE.at_start().advance(store.read(stream))
    assert read_state(another_process(store), stream) == whole.state


def test_a_run_goes_on_where_snapshots_can_not_be_kept(store: MessageDBClient, stream: str) -> None:
    with store.connection() as connection:
        connection.execute("CREATE SCHEMA messagedb_agent")
        connection.execute("CREATE VIEW messagedb_agent.snapshots AS SELECT 1 AS position")

    answer(store, stream, "one more")
    answer(store, stream, "and another")
