"""Whoever waits for events hears of those that any program appends, once they are committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
import pytest

from messagedb_agent.engine.said import user_message
from messagedb_agent.engine.session import add_message, start_session
from messagedb_agent.store import MessageDBClient, write_event
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.notifications import CHANNEL, channel_of
from messagedb_agent.workers.queue import QueueingStore
from tests import message_db

PATIENCE_SECONDS = 20.0

dsn = message_db.dsn
store = message_db.store
category = message_db.category

Listen = Callable[[int], Sequence[str]]


def append(store: MessageDBClient, stream_name: str) -> None:
    store.append(stream_name, [NewEvent(event=user_message("Go."))])


@contextmanager
def listening(dsn: str, channel: str = CHANNEL) -> Iterator[Listen]:
    """Gives a function that waits for so many hints, and says which streams they name."""
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute(f"LISTEN {channel}".encode())

        def heard(count: int) -> Sequence[str]:
            found: list[str] = []
            while len(found) < count:
                notes = list(listener.notifies(timeout=PATIENCE_SECONDS, stop_after=1))
                assert notes, f"only these were heard: {found}"
                found += [note.payload for note in notes]
            return found

        yield heard


@pytest.fixture
def heard(dsn: str) -> Iterator[Listen]:
    with listening(dsn) as heard:
        yield heard


def test_an_append_is_told_of(store: MessageDBClient, category: str, heard: Listen) -> None:
    append(store, f"{category}-one")
    assert heard(1) == [f"{category}-one"]

    write_event(store, f"{category}-two", "SomethingHappened", {})
    assert heard(1) == [f"{category}-two"]


def test_a_program_that_begins_a_thread_or_adds_to_it_is_heard(
    store: MessageDBClient, category: str, heard: Listen
) -> None:
    name = category.removesuffix(":v0")
    for queueing in (store, QueueingStore(store)):
        thread = f"{category}-{start_session(queueing, 'Go.', category=name)}"
        assert heard(1) == [thread]
        add_message(queueing, thread, "Go on.")
        assert heard(1) == [thread]


def test_who_follows_one_thread_hears_of_it(
    store: MessageDBClient, category: str, dsn: str
) -> None:
    with listening(dsn, channel_of(f"{category}-one")) as heard:
        append(store, f"{category}-one")

        assert heard(1) == [""]


def test_a_transaction_of_the_store_is_told_of_once_it_is_committed(
    store: MessageDBClient, category: str, heard: Listen
) -> None:
    name = category.removesuffix(":v0")
    with store.transaction() as connection:
        start_session(
            QueueingStore(store), "Go.", thread_id="mine", category=name, connection=connection
        )
        append(store, f"other{category}-before")
        assert heard(1) == [f"other{category}-before"]

    assert heard(1) == [f"{category}-mine"]


def test_what_is_rolled_back_is_not_told_of(
    store: MessageDBClient, category: str, heard: Listen
) -> None:
    new = NewEvent(event=user_message("Go."))
    with suppress(ZeroDivisionError), store.transaction() as connection:
        store.append(f"{category}-lost", [new], connection=connection)
        raise ZeroDivisionError
    append(store, f"{category}-kept")

    assert heard(1) == [f"{category}-kept"]


def test_a_thread_that_this_process_drives_is_left_to_its_run(
    store: MessageDBClient, category: str, heard: Listen
) -> None:
    lock = store.lock(f"{category}-driven")
    append(store, f"{category}-driven")
    append(store, f"{category}-other")
    assert heard(1) == [f"{category}-other"]

    lock.release()
    append(store, f"{category}-driven")
    assert heard(1) == [f"{category}-driven"]


def test_a_program_that_leaves_at_once_is_heard_all_the_same(
    dsn: str, category: str, heard: Listen
) -> None:
    with MessageDBClient({"dbname": dsn}) as store:
        for number in range(3):
            append(store, f"{category}-{number}")

    assert heard(3) == [f"{category}-{number}" for number in range(3)]


def test_a_connection_of_the_caller_s_own_leaves_what_it_commits_to_polling(
    store: MessageDBClient, dsn: str, category: str, heard: Listen
) -> None:
    new = NewEvent(event=user_message("Go."))
    with psycopg.connect(dsn) as own:
        store.append(f"{category}-own", [new], connection=own)
    append(store, f"{category}-other")

    assert heard(1) == [f"{category}-other"]
