"""The event store on PostgreSQL: connections, and what to do when they break."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Self, TypeVar

import psycopg

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EventRow, decode
from messagedb_agent.store import operations
from messagedb_agent.store.appends import append_after, append_once, append_within
from messagedb_agent.store.archive.pages import Archive
from messagedb_agent.store.base import (
    DEFAULT_BATCH_SIZE,
    FIRST_BATCH_SIZE,
    NO_STREAM,
    NewEvent,
    ThreadLock,
)
from messagedb_agent.store.connections import connection_settings, writing_within_only
from messagedb_agent.store.faults import is_connection_lost, translate
from messagedb_agent.store.group_commit import GroupCommit
from messagedb_agent.store.herald import Herald
from messagedb_agent.store.locks import ThreadLocks
from messagedb_agent.store.operations import Batch
from messagedb_agent.store.patience import OnWait, Patience, Vigil
from messagedb_agent.store.pool import StorePool
from messagedb_agent.store.quick import unreachable
from messagedb_agent.store.statements import StoreConnection, ask

T = TypeVar("T")

PageReader = Callable[[psycopg.Connection[Any], str, int, int], list[EventRow]]

DEFAULT_PATIENCE_SECONDS = 30.0
"""How long a store that went away is waited for."""

TRANSACTION_PATIENCE_SECONDS = 30.0
"""How long a transaction is waited for while others keep their connections."""


class MessageDBClient:
    """
    An `EventStore` on Message DB.

    `conninfo` are libpq parameters (host, port, dbname, user, password, sslmode, …). When
    the server goes away, an operation waits up to `patience_seconds` for it, telling
    `on_wait` once and asking `revive` to bring it back; a write that may or may not have been
    committed is looked up by its ids. `min_connections` are opened at once and kept; where
    there are any, all are made ready before they are used. Of `max_connections` transactions leave
    one to all else; so with fewer than two, nothing can be recorded beside a transactional tool.
    Who waits for events is told of appends.

    Safe to share between threads. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        conninfo: Mapping[str, Any],
        *,
        min_connections: int = 0,
        max_connections: int = 10,
        patience_seconds: float = DEFAULT_PATIENCE_SECONDS,
        on_wait: OnWait = lambda _reason: None,
        revive: Callable[[], object] = lambda: None,
    ) -> None:
        self._settings = connection_settings(conninfo)
        self._patience = Patience(patience_seconds, on_wait, revive)
        self._vigil = Vigil(on_wait)
        self._revive = revive
        self._locks = ThreadLocks(self._connect, self._vigil.over)
        self._commits = GroupCommit(self._append_together)
        self._archive = Archive()
        self._herald = Herald(self._locks.lend, self._locks.holds)
        self._pool = StorePool(
            self._settings,
            self._connect,
            min_connections=min_connections,
            max_connections=max_connections,
        )
        self._transactions = threading.BoundedSemaphore(max(1, max_connections - 1))

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
        self._pool.open()

    def close(self) -> None:
        """Give all connections back; waiting operations stop waiting."""
        self._herald.close()
        self._patience.close()
        self._pool.close()
        self._locks.close()
        self._vigil.close()

    def health_check(self) -> None:
        """Raise `StoreUnavailableError` or `SchemaMissingError` unless Message DB answers."""
        self._perform(
            lambda connection: ask(connection, "SELECT message_store.message_store_version()")
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
        batch = Batch.of(stream_name, events, expected_version)
        if not events:
            return ()
        if connection is not None:
            self._herald.say_later(connection, stream_name)
            return append_within(connection, batch)
        recorded = self._commits.append(
            batch, lambda: self._perform(lambda own: append_once(own, batch, self._archive))
        )
        self._herald.say(stream_name)
        return recorded

    def append_after(
        self, work: Callable[[psycopg.Connection[Any]], Batch]
    ) -> tuple[RecordedEvent, ...]:
        """Write the batch that `work` gives, in one transaction with the work, which may repeat."""
        recorded = self._perform(lambda own: append_after(own, work, self._archive))
        for last in recorded[-1:]:
            self._herald.say(last.stream_name)
        return recorded

    def _append_together(self, batches: Sequence[Batch]) -> list[tuple[RecordedEvent, ...]]:
        with self._pool.lent() as connection, self._vigil.over(connection):
            return operations.append_events(connection, *batches)

    def read(
        self,
        stream_name: str,
        *,
        position: int = 0,
        connection: psycopg.Connection[Any] | None = None,
    ) -> Iterator[RecordedEvent]:
        """The events from a position on; no pooled connection is held between two pages."""

        def ask(work: PageReader) -> list[EventRow]:
            if connection is not None:
                return work(connection, stream_name, position, size)
            return self._perform(lambda own: work(own, stream_name, position, size))

        read_page: PageReader = operations.read_page
        size = FIRST_BATCH_SIZE
        while True:
            rows = ask(read_page)
            if not rows and position == 0:
                # Only here, for every run looks again and again whether a stream has gone on.
                read_page = self._archive.page
                rows = ask(read_page)
            yield from map(decode, rows)
            if len(rows) < size:
                return
            position, size = rows[-1].position + 1, DEFAULT_BATCH_SIZE

    def version(self, stream_name: str) -> int:
        """The position of the last event of a stream, or `NO_STREAM`."""

        def ask(connection: psycopg.Connection[Any]) -> int:
            version = operations.stream_version(connection, stream_name)
            return (
                self._archive.version(connection, stream_name) if version == NO_STREAM else version
            )

        return self._perform(ask)

    def streams_with(self, types: Collection[str], *, after: Mapping[str, int]) -> frozenset[str]:
        """The streams that have an event of one of these types after a position."""
        return self._perform(lambda connection: operations.streams_with(connection, types, after))

    def lock(self, stream_name: str) -> ThreadLock:
        """Take the right to drive a thread; see `ThreadLocks`."""
        return self._patiently(lambda: self._locks.acquire(stream_name))

    def query(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run work that may be repeated, again while the server is away, within patience."""
        return self._perform(work)

    def session(self) -> psycopg.Connection[Any]:
        """A connection beside the pool, in autocommit mode; who asks for it closes it."""
        try:
            return self._connect()
        except psycopg.Error as error:
            raise self._unreachable(error) from error

    def revive(self) -> None:
        """Have the server brought back, where that is possible from here."""
        self._revive()

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """
        A pooled connection within a transaction, which ends with the block.

        Whoever ends it before, by a statement of its own, can't write in the session any more.
        """
        with (
            self._turn(),
            self._pool.lent() as connection,
            self._herald.transaction(connection),
            writing_within_only(connection),
            ExitStack() as ending,
            connection.transaction(),
        ):
            try:
                yield connection
            finally:
                ending.enter_context(self._vigil.over(connection))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Without it, what transactions wait for might wait for the connection of one of them."""
        if not self._transactions.acquire(timeout=TRANSACTION_PATIENCE_SECONDS):
            raise StoreUnavailableError("transactions keep all connections of this process busy")
        try:
            yield
        finally:
            self._transactions.release()

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A pooled connection in autocommit mode, given back when the block ends."""
        return self._pool.lent()

    def _unreachable(self, error: psycopg.Error) -> StoreUnavailableError:
        if error.sqlstate:
            return StoreUnavailableError(str(translate(error)))
        return StoreUnavailableError(unreachable(self._settings, str(error)))

    def _perform(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Run idempotent work on a pooled connection, again while the server is away."""

        def connected() -> T:
            # Without context managers, which cost as much as the rows of a short statement.
            connection = self._pool.take()
            self._vigil.begin(connection)
            try:
                return work(connection)
            except psycopg.errors.ReadOnlySqlTransaction:
                # Where writing was forbidden when a session began, it stays so.
                connection.close()
                raise
            finally:
                self._vigil.end(connection)
                self._pool.give_back(connection)

        return self._patiently(connected)

    def _patiently(self, work: Callable[[], T]) -> T:
        """Run idempotent work, again and again while the server is away, within patience."""
        try:
            return self._patience.run(work)
        except psycopg.Error as error:
            known = is_connection_lost(error)
            raise (self._unreachable(error) if known else translate(error)) from error

    def _connect(self) -> psycopg.Connection[Any]:
        return StoreConnection.connect(autocommit=True, **self._settings)
