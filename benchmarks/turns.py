"""A turn of the engine beside the bare statements that would write the same events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, LiteralString
from uuid import uuid4

import psycopg

from benchmarks.measure import Row, Scale, medians, milliseconds
from benchmarks.world import AGENT, COMMITS, World, encoded, new_stream
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.events.codec import EncodedEvent
from messagedb_agent.store import operations
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient

_WRITE: LiteralString = "SELECT message_store.write_message($1, $2, $3, $4::jsonb, $5::jsonb, $6)"
_READ: LiteralString = "SELECT * FROM message_store.get_stream_messages($1, $2)"
_NEXT_TRANSACTION: LiteralString = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
_SIZE: LiteralString = """
    SELECT sum(pg_column_size(event.*)) FROM message_store.messages AS event
    WHERE stream_name = $1 AND position > $2
"""


def run(world: World, scale: Scale) -> Iterator[Row]:
    """Time with and without waiting for the disk, commits, round trips and bytes."""
    for durable, note in ((True, ""), (False, ", commits not waiting for the disk")):
        # A connection for each, for the server's caches are warmer for who asks more often.
        with (
            world.store(durable=durable) as store,
            world.connect(durable=durable) as bare,
            world.connect(durable=durable) as other,
        ):
            floor, tight = BareTurns(bare), StatementTurns(other)
            yield from _times(store, floor, tight, scale, note)
    with world.store() as store, world.connect() as bare:
        yield from _counts(store, bare, scale)


def _times(
    store: MessageDBClient, floor: BareTurns, tight: StatementTurns, scale: Scale, note: str
) -> Iterator[Row]:
    with AgentThread(store, new_stream()) as thread:
        thread.start(None)
        thread.commit()
        drive(thread)
        ours, written, statements = medians(
            scale.rounds * scale.turns, partial(drive, thread), floor, tight
        )
    yield Row(
        f"turn: message, tool call, answer{note}",
        milliseconds(ours),
        f"{milliseconds(written)}: its 7 events by `write_message` in 4 transactions, one read",
        ours / written,
        1.5,
    )
    yield Row(
        f"the same beside our own statements{note}",
        milliseconds(ours),
        f"{milliseconds(statements)}: the same 4 statements from ready texts",
        ours / statements,
    )


def drive(thread: AgentThread) -> None:
    """One turn in a running process."""
    thread.send("What is 20 plus 22?")
    assert thread.run(AGENT).stop == "done"


class BareTurns:
    """Turns as somebody would write them with psycopg alone."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._stream = new_stream()
        self._commits = [encoded(events) for events in COMMITS]
        self._version = -1

    def __call__(self) -> None:
        """Write one turn: one read, four transactions."""
        cursor = psycopg.RawCursor(self._connection)
        cursor.execute(_READ, (self._stream, self._version + 1), prepare=True).fetchall()
        for rows in self._commits:
            with self._connection.transaction():
                for row in rows:
                    self._write(cursor, row)

    def _write(self, cursor: psycopg.RawCursor[Any], row: EncodedEvent) -> None:
        values = (str(uuid4()), self._stream, *row, self._version)
        cursor.execute(_WRITE, values, prepare=True).fetchone()
        self._version += 1


class StatementTurns:
    """Turns by the statements that the store sends, without an engine to decide on them."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._stream = new_stream()
        self._version = -1

    def __call__(self) -> None:
        """Write one turn: four statements, each its own transaction."""
        for events in COMMITS:
            new = [NewEvent(event=event) for event in events]
            batch = operations.Batch.of(self._stream, new, self._version)
            operations.append_events(self._connection, batch)
            self._version += len(new)


def _counts(store: MessageDBClient, bare: psycopg.Connection[Any], scale: Scale) -> Iterator[Row]:
    stream = new_stream()
    with AgentThread(store, stream) as thread:
        thread.start(None)
        thread.commit()
        drive(thread)
        version, before = store.version(stream), _one(bare, _NEXT_TRANSACTION)
        with counted_round_trips() as trips:
            for _ in range(scale.turns):
                drive(thread)
        commits = (_one(bare, _NEXT_TRANSACTION) - before) / scale.turns
    size = stored_bytes(bare, stream, version) / scale.turns
    texts = sum(
        len(row.type) + len(row.data) + len(row.metadata or "")
        for events in COMMITS
        for row in encoded(events)
    )
    yield Row("commits of a turn", f"{commits:.2f}", "4", commits / 4, 1.0)
    trips_per_turn = len(trips) / scale.turns
    yield Row("round trips of a turn", f"{trips_per_turn:.2f}", "4", trips_per_turn / 4, 1.5)
    yield Row("bytes of a turn in its rows", f"{size:,.0f}", f"{texts:,}: its JSON", size / texts)


def stored_bytes(bare: psycopg.Connection[Any], stream_name: str, after: int) -> int:
    """What the rows of a stream after a position take."""
    return _one(bare, _SIZE, stream_name, after)


@contextmanager
def counted_round_trips() -> Iterator[list[None]]:
    """A list that grows by one each time that psycopg waits for the server."""
    trips: list[None] = []
    wait = psycopg.Connection.wait

    def counting(self: Any, *arguments: Any, **options: Any) -> Any:
        trips.append(None)
        return wait(self, *arguments, **options)

    setattr(psycopg.Connection, "wait", counting)  # noqa: B010 - not assignable, says mypy
    try:
        yield trips
    finally:
        setattr(psycopg.Connection, "wait", wait)  # noqa: B010 - as above


def _one(connection: psycopg.Connection[Any], query: LiteralString, *parameters: object) -> int:
    row = psycopg.RawCursor(connection).execute(query, parameters).fetchone()
    assert row is not None
    return int(row[0])
