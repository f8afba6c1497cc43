"""Members of a group share the streams: each event is one member's, and nobody looks twice."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

import pytest

from messagedb_agent.store.category import get_category_messages
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.positions import ConsumerName, MemoryPositions, StreamPositions
from messagedb_agent.store.table_positions import TablePositions
from messagedb_agent.subscriber import Subscriber
from messagedb_agent.subscriber.handlers import in_transaction
from tests.subscriber.history import PATIENCE_SECONDS, Seen, said, write

SIZE = 2
BATCH = 10


@pytest.fixture
def category() -> str:
    return f"group{uuid4().hex}:v0"


@pytest.fixture
def streams(store: MessageDBClient, category: str) -> tuple[str, str]:
    """A stream of the first member, and one of the second."""
    found: dict[int, str] = {}
    for number in range(100):
        name = f"{category}-{number}"
        write(store, name, "first")
        for member in range(SIZE):
            mine = get_category_messages(
                store, category, consumer_group_member=member, consumer_group_size=SIZE
            )
            if any(record.stream_name == name for record in mine):
                found.setdefault(member, name)
        if len(found) == SIZE:
            break
    return found[0], found[1]


def member(store: MessageDBClient, category: str, handler: Any, **more: Any) -> Subscriber:
    given = {"consumer_group_member": 0, "consumer_group_size": SIZE, "batch_size": BATCH}
    return Subscriber(store, category, handler, consumer_id="c", **{**given, **more})


def handled(subscriber: Subscriber) -> int:
    total = 0
    while count := subscriber.run_once():
        total += count
    return total


@pytest.mark.parametrize("kind", [MemoryPositions, StreamPositions, TablePositions])
def test_what_is_others_is_looked_at_once(
    store: MessageDBClient, category: str, streams: tuple[str, str], kind: Any
) -> None:
    positions = kind() if kind is MemoryPositions else kind(store)
    handler: Any = Seen()
    if kind is TablePositions:
        handler = in_transaction(lambda _record, _connection: None)
    subscriber = member(store, category, handler, position_store=positions)
    handled(subscriber)
    last = write(store, streams[1], *["not mine"] * 3 * BATCH)[-1]

    assert subscriber.run_once() == 0
    assert positions.load(ConsumerName(category, "c", 0, SIZE)) == last.global_position


def test_nothing_is_passed_over(
    store: MessageDBClient, category: str, streams: tuple[str, str]
) -> None:
    seen = Seen()
    subscriber = member(store, category, seen)
    handled(subscriber)
    before = len(seen.messages)
    for number in range(3):
        write(store, streams[1], *["not mine"] * 3 * BATCH)
        subscriber.run_once()
        write(store, streams[0], f"mine {number}")
    handled(subscriber)

    assert seen.messages[before:] == ["mine 0", "mine 1", "mine 2"]


def test_an_event_that_is_being_written_is_not_passed_over(
    store: MessageDBClient, category: str, streams: tuple[str, str]
) -> None:
    seen = Seen()
    subscriber = member(store, category, seen)
    handled(subscriber)
    before = len(seen.messages)
    with store.transaction() as connection:
        late = write_within(store, connection, streams[0])
        writing = threading.Thread(
            target=write, args=(store, streams[1], *["not mine"] * 3 * BATCH)
        )
        writing.start()
        handled(subscriber)
    writing.join(PATIENCE_SECONDS)
    handled(subscriber)

    assert seen.messages[before:] == [late]


def write_within(store: MessageDBClient, connection: Any, stream_name: str) -> str:
    store.append(stream_name, [said("late")], connection=connection)
    return "late"
