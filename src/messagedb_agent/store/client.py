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
    ConfigurationError,
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
from messagedb_agent.store.quick import unreachable

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
    if "=" not in name and "://" not in name:
        return dict(given)
    try:
        parts = conninfo_to_dict(name)
    except psycopg.ProgrammingError as error:
        # The parser quotes what it could not read, which may be a password.
        raise ConfigurationError(
            "DATABASE_URL is wrong: it can not be read as a connection URI or string"
        ) from error
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

    @property
    def conninfo(self) -> Mapping[str, Any]:
        """The libpq parameters of its connections."""
        return self._settings

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

        def write(own: psycopg.Connection[Any], again: bool) -> tuple[RecordedEvent, ...]:  # noqa: FBT001 - a callback's only flag
            try:
                return operations.append_events(own, stream_name, events, expected_version)
            except psycopg.Error as error:
                # After a lost COMMIT the first write itself may be what stands in the way.
                moved = again and isinstance(translate(error), OptimisticConcurrencyError)
                if is_duplicate_id(error) or moved:
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

    def transact(self, work: Callable[[psycopg.Connection[Any], bool], T]) -> T:
        """Run work in a transaction; again, which the flag tells, while the server is away."""

        def within(connection: psycopg.Connection[Any], again: bool) -> T:  # noqa: FBT001 - a callback's only flag
            with connection.transaction():
                return work(connection, again)

        return self._perform(within)

    def session(self) -> psycopg.Connection[Any]:
        """A connection beside the pool, in autocommit mode; who asks for it closes it."""
        return psycopg.connect(autocommit=True, **self._settings)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """A pooled connection within a transaction, which ends with the block."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[Any]]:
        """A pooled connection in autocommit mode, given back when the block ends."""
        connection = self._borrow()
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def _borrow(self) -> psycopg.Connection[Any]:
        try:
            return self._pool.getconn()
        except PoolTimeout:
            # It knows only that it waited; a connection of our own learns the reason. If that
            # succeeds the server may have come back just now, which deserves another try.
            psycopg.connect(autocommit=True, **self._settings).close()
        except PoolClosed as error:
            raise StoreUnavailableError("the event store was closed") from error
        try:
            return self._pool.getconn()
        except (PoolTimeout, PoolClosed) as error:
            raise StoreUnavailableError("all connections of this process stayed busy") from error

    def _unreachable(self, error: psycopg.Error) -> StoreUnavailableError:
        if error.sqlstate:
            return StoreUnavailableError(str(translate(error)))
        return StoreUnavailableError(unreachable(self._settings, str(error)))

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
