"""The event store on PostgreSQL: connections, and what to do when they break."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from messagedb_agent.errors import (
    OptimisticConcurrencyError,
    StoreUnavailableError,
)
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EventRow, decode
from messagedb_agent.store import operations
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE, NewEvent, ThreadLock
from messagedb_agent.store.faults import (
    first_line,
    is_connection_lost,
    is_duplicate_id,
    is_worth_repeating,
    translate,
)
from messagedb_agent.store.locks import ThreadLocks
from messagedb_agent.store.quick import is_connection_string, unreachable, wrong_connection_string

T = TypeVar("T")

CONNECT_TIMEOUT_SECONDS = 3
STATEMENT_TIMEOUT_SECONDS = 60
DEFAULT_PATIENCE_SECONDS = 30.0
"""How long a store that went away is waited for."""

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


def connection_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """The libpq parameters of a connection: what was given, and what a service needs."""
    # Functions of Message DB older than 1.3 name their tables without the schema.
    conninfo = _expanded(given)
    options = (
        f"-c search_path=public,message_store -c statement_timeout={STATEMENT_TIMEOUT_SECONDS}s"
    )
    return {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "application_name": f"messagedb-agent {socket.gethostname()}:{os.getpid()}",
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
        "options": options,
        **conninfo,
    }


def _expanded(given: Mapping[str, Any]) -> dict[str, Any]:
    """A database name that is a connection string counts as that, as libpq does it."""
    name = str(given.get("dbname", ""))
    if not is_connection_string(name):
        return dict(given)
    try:
        parts = conninfo_to_dict(name)
    except psycopg.ProgrammingError as error:
        raise wrong_connection_string() from error
    return {**given, "dbname": None, **parts}


class MessageDBClient:
    """
    An `EventStore` on Message DB.

    `conninfo` are libpq parameters (host, port, dbname, user, password, sslmode, …). When
    the server goes away, an operation waits up to `patience_seconds` for it, telling
    `on_wait` once and asking `revive` to bring it back; a write that may or may not have been
    committed is looked up by its ids.

    Safe to share between threads. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        conninfo: Mapping[str, Any],
        *,
        max_connections: int = 10,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
        on_wait: Callable[[str], None] = lambda _reason: None,
        revive: Callable[[], object] = lambda: None,
    ) -> None:
        self._settings = connection_settings(conninfo)
        self._patience = patience_seconds
        self._on_wait = on_wait
        self._revive = revive
        self._closing = threading.Event()
        self._locks = ThreadLocks(lambda: psycopg.connect(autocommit=True, **self._settings))
        self._pool = ConnectionPool(
            kwargs={"autocommit": True, **self._settings},
            min_size=0,
            max_size=max_connections,
            timeout=CONNECT_TIMEOUT_SECONDS,
            reconnect_timeout=0,
            open=False,
            name="messagedb-agent",
        )

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def open(self) -> None:
        """Connect. Raises `StoreUnavailableError`, within seconds, when that can't be done."""
        try:
            self._locks.open()
        except psycopg.Error as error:
            raise self._unreachable(error) from error
        self._pool.open(wait=False)

    def close(self) -> None:
        """Give all connections back; waiting operations stop waiting."""
        self._closing.set()
        self._pool.close()
        self._locks.close()

    def health_check(self) -> None:
        """Raise `StoreUnavailableError` or `SchemaMissingError` unless Message DB answers."""
        self._perform(
            lambda connection, _again: connection.execute(
                "SELECT message_store.message_store_version()"
            )
        )

    def append(
        self,
        stream_name: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int | None = None,
        connection: psycopg.Connection[Any] | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """Write all of the events or none; see `EventStore.append`."""
        if connection is not None:
            return self._append_within(connection, stream_name, events, expected_version)

        def write(own: psycopg.Connection[Any], _again: bool) -> tuple[RecordedEvent, ...]:  # noqa: FBT001 - a callback's only flag
            try:
                return operations.append_events(own, stream_name, events, expected_version)
            except psycopg.Error as error:
                # An earlier write of the same events may be what stands in the way.
                if is_duplicate_id(error) or isinstance(
                    translate(error), OptimisticConcurrencyError
                ):
                    found = operations.find_events(own, stream_name, events)
                    if found is not None:
                        return found
                raise

        return self._perform(write)

    @staticmethod
    def _append_within(
        connection: psycopg.Connection[Any],
        stream_name: str,
        events: Sequence[NewEvent],
        expected_version: int | None,
    ) -> tuple[RecordedEvent, ...]:
        try:
            return operations.append_events(connection, stream_name, events, expected_version)
        except psycopg.Error as error:
            if is_worth_repeating(error):
                raise
            raise translate(error) from error

    def read(
        self,
        stream_name: str,
        *,
        position: int = 0,
        connection: psycopg.Connection[Any] | None = None,
    ) -> Iterator[RecordedEvent]:
        """The events from a position on; no pooled connection is held between two pages."""
        if connection is not None:
            yield from operations.read_events(connection, stream_name, position)
            return
        while True:
            rows = self._perform(_page_from(stream_name, position))
            yield from map(decode, rows)
            if len(rows) < DEFAULT_BATCH_SIZE:
                return
            position = rows[-1].position + 1

    def version(self, stream_name: str) -> int:
        """The position of the last event of a stream, or `NO_STREAM`."""
        return self._perform(
            lambda connection, _again: operations.stream_version(connection, stream_name)
        )

    def lock(self, stream_name: str) -> ThreadLock:
        """Take the right to drive a thread; see `ThreadLocks`."""
        return self._patiently(lambda _again: self._locks.acquire(stream_name))

    def query(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run work that may be repeated, again while the server is away, within patience."""
        return self._perform(lambda connection, _again: work(connection))

    def session(self) -> psycopg.Connection[Any]:
        """A connection beside the pool, in autocommit mode; who asks for it closes it."""
        try:
            return psycopg.connect(autocommit=True, **self._settings)
        except psycopg.Error as error:
            raise self._unreachable(error) from error

    def revive(self) -> None:
        """Have the server brought back, where that is possible from here."""
        self._revive()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A pooled connection within a transaction, which ends with the block."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A pooled connection in autocommit mode, given back when the block ends."""
        try:
            connection = self._pool.getconn()
        except (PoolTimeout, PoolClosed) as error:
            raise self._why_unreachable(error) from error
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def _unreachable(self, error: psycopg.Error) -> StoreUnavailableError:
        if error.sqlstate:
            return StoreUnavailableError(str(translate(error)))
        return StoreUnavailableError(unreachable(self._settings, str(error)))

    def _why_unreachable(self, error: PoolTimeout | PoolClosed) -> Exception:
        if isinstance(error, PoolClosed):
            return StoreUnavailableError("the event store was closed")
        # The pool knows only that it waited; a connection of our own learns the reason.
        try:
            psycopg.connect(autocommit=True, **self._settings).close()
        except psycopg.Error as reason:
            return reason
        if self._pool.get_stats()["pool_size"] < self._pool.max_size:
            # It gave up while the server was away, which it no longer is.
            return psycopg.OperationalError("the server was away for a moment")
        return StoreUnavailableError("all connections of this process stayed busy")

    def _perform(self, work: Callable[[psycopg.Connection[Any], bool], T]) -> T:
        """Run idempotent work on a pooled connection, again while the server is away."""

        def connected(again: bool) -> T:  # noqa: FBT001 - a callback's only flag
            with self.connection() as connection:
                return work(connection, again)

        return self._patiently(connected)

    def _patiently(self, work: Callable[[bool], T]) -> T:
        """Run idempotent work, again and again while the server is away, within patience."""
        deadline = time.monotonic() + self._patience
        pause, again = _FIRST_PAUSE, False
        while True:
            try:
                return work(again)
            except psycopg.Error as error:
                lost = is_connection_lost(error)
                if not (lost or is_worth_repeating(error)) or time.monotonic() > deadline:
                    raise (self._unreachable(error) if lost else translate(error)) from error
                if lost and not again:
                    self._on_wait(f"the database is away ({first_line(error)}); waiting for it")
                again = True
            if self._closing.wait(pause):
                raise StoreUnavailableError("the event store was closed")
            pause = min(pause * 2, _LONGEST_PAUSE)
            self._revive()


def _page_from(
    stream_name: str, position: int
) -> Callable[[psycopg.Connection[Any], bool], list[EventRow]]:
    return lambda connection, _again: operations.read_page(
        connection, stream_name, position, DEFAULT_BATCH_SIZE
    )
