"""Appending to and reading from streams beside bare psycopg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString
from uuid import uuid4

import psycopg

from benchmarks.measure import Row, Scale, fastest, milliseconds, per_second
from benchmarks.world import TURN, World, encoded, new_stream
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient

_WRITE: LiteralString = "SELECT message_store.write_message($1, $2, $3, $4::jsonb, $5::jsonb)"
_READ: LiteralString = "SELECT * FROM message_store.get_stream_messages($1, $2, 1000)"
_BATCH = 100


def run(world: World, scale: Scale) -> Iterator[Row]:
    """One event, a hundred at once, and a long stream."""
    stream = new_stream()
    world.fill(stream, turns=-(-scale.events // len(TURN)))
    with world.store(durable=False) as store, world.connect(durable=False) as bare:
        yield from _appending(store, bare, scale, 1)
        yield from _appending(store, bare, scale, _BATCH)
        yield _reading(store, bare, scale, stream)


def _appending(
    store: MessageDBClient, bare: psycopg.Connection[Any], scale: Scale, count: int
) -> Iterator[Row]:
    ours, theirs = new_stream(), new_stream()
    cursor = psycopg.RawCursor(bare)
    row = encoded(TURN[:1])[0]

    def append() -> None:
        store.append(ours, [NewEvent(event=TURN[0]) for _ in range(count)])

    def write() -> None:
        with bare.transaction():
            for _ in range(count):
                cursor.execute(_WRITE, (str(uuid4()), theirs, *row), prepare=True).fetchone()

    mine, floor = fastest(scale.rounds * (20 if count == 1 else 1), append, write)
    yield Row(
        f"appending {count} event{'s' * (count > 1)} at once",
        milliseconds(mine),
        f"{milliseconds(floor)}: `write_message` for each, in a transaction",
        mine / floor,
    )


def _reading(
    store: MessageDBClient, bare: psycopg.Connection[Any], scale: Scale, stream: str
) -> Row:
    cursor = psycopg.RawCursor(bare)

    def read() -> int:
        return sum(1 for _ in store.read(stream))

    def fetch() -> int:
        position = 0
        while rows := cursor.execute(_READ, (stream, position), prepare=True).fetchall():
            position += len(rows)
        return position

    count = fetch()
    assert read() == count
    mine, floor = fastest(scale.rounds, read, fetch)
    return Row(
        f"reading a stream of {count:,} events",
        per_second(count, mine),
        f"{per_second(count, floor)}: the same pages as tuples",
        mine / floor,
    )
