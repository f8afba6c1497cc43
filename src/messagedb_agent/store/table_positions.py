"""Positions in a table, saved in the transaction that holds a handler's effects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import errors

from messagedb_agent.errors import ConsumerBusyError
from messagedb_agent.store.positions import ConsumerName

if TYPE_CHECKING:
    from messagedb_agent.store.client import MessageDBClient

_EXISTS: LiteralString = "SELECT to_regclass('messagedb_agent.consumer_positions') IS NOT NULL"

# Two processes that create it at once would collide in the catalogue, so they take turns.
_CREATE: LiteralString = """
    SELECT pg_advisory_xact_lock(1296319008, 2);
    CREATE SCHEMA IF NOT EXISTS messagedb_agent;
    CREATE TABLE IF NOT EXISTS messagedb_agent.consumer_positions (
        source text NOT NULL,
        consumer text NOT NULL,
        position bigint,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (source, consumer)
    )
"""

_ENTER: LiteralString = """
    INSERT INTO messagedb_agent.consumer_positions (source, consumer) VALUES ($1, $2)
    ON CONFLICT DO NOTHING
"""

_LOAD: LiteralString = """
    SELECT position FROM messagedb_agent.consumer_positions WHERE source = $1 AND consumer = $2
"""

# The server ends the transaction of a process that was paused in it, and so frees the consumer.
_LOCK: LiteralString = """
    SELECT position, set_config('idle_in_transaction_session_timeout', $3, true)
    FROM messagedb_agent.consumer_positions WHERE source = $1 AND consumer = $2
    FOR UPDATE NOWAIT
"""

_SAVE: LiteralString = """
    UPDATE messagedb_agent.consumer_positions SET position = $3, updated_at = now()
    WHERE source = $1 AND consumer = $2
"""


class TablePositions:
    """
    A `PositionStore` whose positions can be part of a transaction.

    They are rows of `messagedb_agent.consumer_positions` in the store's database; the table
    is created when it is needed. A handler that says nothing to the database for
    `idle_seconds` within a transaction loses it, and is called again.
    """

    def __init__(self, store: MessageDBClient, *, idle_seconds: float = 60.0) -> None:
        self._store = store
        self._idle = f"{int(idle_seconds * 1000)}ms"

    def load(self, consumer: ConsumerName) -> int | None:
        """The position saved last; makes the consumer known."""
        return self._store.query(lambda connection: _load(connection, consumer))

    def save(self, consumer: ConsumerName, position: int) -> None:
        """Remember a position, in a transaction of its own."""
        self._store.query(lambda connection: _save(connection, consumer, position))

    def lock(self, connection: psycopg.Connection[Any], consumer: ConsumerName) -> int | None:
        """
        The position as it stands, which stays so until the connection's transaction ends.

        Raises `ConsumerBusyError` while another process has it.
        """
        try:
            row = _run(connection, _LOCK, *_key(consumer), self._idle).fetchone()
        except errors.LockNotAvailable as error:
            raise ConsumerBusyError(
                f"another process is handling events as {consumer.instance}"
            ) from error
        return None if row is None else row[0]

    def save_within(
        self, connection: psycopg.Connection[Any], consumer: ConsumerName, position: int
    ) -> None:
        """Remember a position if and when the connection's transaction commits."""
        _run(connection, _SAVE, *_key(consumer), position)


def _load(connection: psycopg.Connection[Any], consumer: ConsumerName) -> int | None:
    _enter(connection, consumer)
    row = _run(connection, _LOAD, *_key(consumer)).fetchone()
    return None if row is None else row[0]


def _save(connection: psycopg.Connection[Any], consumer: ConsumerName, position: int) -> None:
    _enter(connection, consumer)
    _run(connection, _SAVE, *_key(consumer), position)


def _enter(connection: psycopg.Connection[Any], consumer: ConsumerName) -> None:
    if _run(connection, _EXISTS).fetchone() != (True,):
        with connection.transaction():
            connection.execute(_CREATE)
    _run(connection, _ENTER, *_key(consumer))


def _key(consumer: ConsumerName) -> tuple[str, str]:
    return consumer.source, consumer.instance


def _run(
    connection: psycopg.Connection[Any], query: LiteralString, *parameters: object
) -> psycopg.Cursor[Any]:
    return psycopg.RawCursor(connection).execute(query, parameters)
