from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import psycopg
import pytest

from messagedb_agent.errors import ConsumerBusyError, UsageError
from messagedb_agent.store import (
    MemoryPositions,
    MessageDBClient,
    PositionStore,
    StreamPositions,
    TablePositions,
)
from messagedb_agent.store.positions import ConsumerName
from tests import message_db

dsn = message_db.dsn
store = message_db.store
category = message_db.category


Make: TypeAlias = Callable[[MessageDBClient], PositionStore]


@pytest.fixture(params=[lambda _store: MemoryPositions(), StreamPositions, TablePositions])
def positions(request: pytest.FixtureRequest, store: MessageDBClient) -> PositionStore:
    make: Make = request.param
    return make(store)


def test_a_new_consumer_has_no_position(positions: PositionStore, category: str) -> None:
    assert positions.load(ConsumerName(category, "new")) is None


def test_the_position_saved_last_counts(positions: PositionStore, category: str) -> None:
    name = ConsumerName(category, "one")

    for position in (3, 5_000_000_000, 4):
        positions.save(name, position)

    assert positions.load(name) == 4


def test_consumers_do_not_share_positions(positions: PositionStore, category: str) -> None:
    names = [
        ConsumerName(category, "one"),
        ConsumerName(category, "other"),
        ConsumerName(category, "one", 0, 2),
        ConsumerName(category, "one", 1, 2),
        ConsumerName(category, "one", 0, 3),
        ConsumerName(f"{category}-stream", "one"),
    ]

    for position, name in enumerate(names):
        positions.save(name, position)

    assert [positions.load(name) for name in names] == list(range(len(names)))


@pytest.mark.parametrize(
    ("source", "member", "stream_name"),
    [
        ("account", (None, None), "account:position-printer"),
        ("agent:v0", (None, None), "agent:v0+position-printer"),
        ("agent:v0", (1, 3), "agent:v0+position-printer:1of3"),
        ("agent:v0-thread-1", (None, None), "agent:v0+position-thread-1+printer"),
    ],
)
def test_position_streams_are_named_after_what_is_read(
    source: str, member: tuple[int | None, int | None], stream_name: str
) -> None:
    assert ConsumerName(source, "printer", *member).stream_name("position") == stream_name


def test_a_position_in_a_stream_is_an_event_of_the_usual_form(
    store: MessageDBClient, category: str
) -> None:
    StreamPositions(store).save(ConsumerName(category, "one"), 7)

    with store.connection() as connection:
        row = connection.execute(
            "SELECT type, data FROM message_store.get_last_stream_message(%s)",
            (f"{category}+position-one",),
        ).fetchone()
    assert row == ("Recorded", '{"position": 7}')


@pytest.mark.parametrize("consumer_id", ["", "a b", "a+b", "ä", "x" * 101])
def test_ids_that_no_stream_name_could_hold_are_refused(consumer_id: str) -> None:
    with pytest.raises(UsageError):
        ConsumerName("agent:v0", consumer_id)


def test_a_position_in_a_table_is_part_of_a_transaction(
    store: MessageDBClient, category: str
) -> None:
    positions, name = TablePositions(store), ConsumerName(category, "one")
    positions.save(name, 1)

    with store.connection() as connection, connection.transaction(force_rollback=True):
        assert positions.lock(connection, name) == 1
        positions.save_within(connection, name, 2)

    assert positions.load(name) == 1


def test_a_locked_position_belongs_to_one_transaction(
    store: MessageDBClient, category: str
) -> None:
    positions, name = TablePositions(store), ConsumerName(category, "one")
    positions.save(name, 1)

    with store.transaction() as first, store.transaction() as second:
        positions.lock(first, name)
        with pytest.raises(ConsumerBusyError, match="as one"):
            positions.lock(second, name)


def test_a_transaction_that_was_forgotten_ends(store: MessageDBClient, category: str) -> None:
    positions, name = TablePositions(store, idle_seconds=0.05), ConsumerName(category, "one")
    positions.save(name, 1)

    with store.session() as connection:
        connection.execute("BEGIN")
        positions.lock(connection, name)
        with pytest.raises(psycopg.OperationalError):
            # Only the server ends this wait, by ending the session.
            next(connection.notifies(timeout=20))

    assert positions.load(name) == 1
