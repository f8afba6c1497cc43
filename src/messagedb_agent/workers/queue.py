"""Giving threads to workers: a hint in the same transaction as the events it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, LiteralString, TypeVar

import msgspec
import psycopg

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.operations import Batch
from messagedb_agent.store.wrapper import StoreWrapper

T = TypeVar("T")

DEFAULT_QUEUE = "agents"

INSTALLATION_LOCK = (0x4D444220, 2)
"""
What the installation of a queue holds, and, shared, what is left to workers without one.

A pair of integers, so that it meets neither Message DB's locks nor those of threads.
"""

_EXISTS: LiteralString = (
    "SELECT to_regprocedure('agent_queue.hint(text, text, double precision, integer)') IS NOT NULL"
)
# Read from the table: what the session knows of the catalogue may be older than its locks.
_HAS_SCHEMA: LiteralString = (
    "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'agent_queue')"
)
# A queue that an earlier version made, and that is in use, has no reminders yet.
_CAN_REMIND: LiteralString = (
    "SELECT to_regprocedure('agent_queue.remind(text, double precision)') IS NOT NULL"
)
_KNOWN: LiteralString = "SELECT queue_name FROM agent_queue.threads WHERE stream_name = $1"
_REMIND: LiteralString = "SELECT agent_queue.remind($1, $2)"
_HINT: LiteralString = "SELECT agent_queue.hint($1, $2, $3, $4)"
_HINT_FIRST: LiteralString = "SELECT agent_queue.hint_first($1)"
_WAIT_FOR_SLOT: LiteralString = "SELECT agent_queue.wait_for_slot($1, $2, $3, $4)"
_OFFER_SLOT: LiteralString = "SELECT agent_queue.offer_slot($1, $2)"


def is_installed(connection: psycopg.Connection[Any]) -> bool:
    """Whether the database has a queue, which the first worker installs."""
    return bool(_one(connection, _EXISTS))


def hint(
    connection: psycopg.Connection[Any],
    stream_name: str,
    queue: str | None = None,
    *,
    delay: float = 0.0,
    tries: int = 0,
) -> None:
    """
    Tell workers that a thread may have something to do, once this transaction is committed.

    Without `queue` the thread stays in the one it was given to before. A hint joins the one
    that waits already, if there is one. `tries` counts failed attempts to drive the thread.
    """
    _one(connection, _HINT, (stream_name, queue, delay, tries))


def hint_first(connection: psycopg.Connection[Any], stream_name: str) -> None:
    """Tell workers that a thread may go on at once, before those that nobody has begun."""
    _one(connection, _HINT_FIRST, (stream_name,))


def wait_for_slot(
    connection: psycopg.Connection[Any],
    stream_name: str,
    limit: str,
    since: float | None,
    delay: float,
) -> None:
    """
    Have a thread looked at once this limit has a slot, and after `delay` seconds in any case.

    `since` is the time that it waits since, in seconds, if not only from now on.
    """
    _one(connection, _WAIT_FOR_SLOT, (stream_name, limit, since, delay))


def offer_slot(connection: psycopg.Connection[Any], limit: str, slots: Sequence[int]) -> None:
    """Wake those that have waited longest for this limit, as many as its slots' locks are free."""
    _one(connection, _OFFER_SLOT, (limit, list(slots)))


def remind(connection: psycopg.Connection[Any], stream_name: str, delay: float) -> None:
    """
    Have a worker look at a thread after `delay` seconds, for what time has decided then.

    A thread that was not left to workers gets its events written, and is not driven. Does
    nothing in a database without a queue that can.
    """
    if _one(connection, _CAN_REMIND):
        _one(connection, _REMIND, (stream_name, delay))


def queue_of(store: MessageDBClient, stream_name: str) -> str | None:
    """The queue that a thread was given to, or None when it belongs to no worker."""

    def look(connection: psycopg.Connection[Any]) -> str | None:
        return _one(connection, _KNOWN, (stream_name,)) if is_installed(connection) else None

    return store.query(look)


def transact(store: MessageDBClient, work: Callable[[psycopg.Connection[Any]], T]) -> T:
    """Run work that may be repeated in a transaction, again while the server is away."""

    def within(connection: psycopg.Connection[Any]) -> T:
        with connection.transaction():
            return work(connection)

    return store.query(within)


class QueueingStore(StoreWrapper[MessageDBClient]):
    """
    An event store whose appends hint to workers in the same transaction.

    Either both are there or neither. In a database without a queue the events say in their
    metadata whom they are for, and the first worker, which installs the queue, finds them.
    """

    def __init__(self, store: MessageDBClient, queue: str | None = None) -> None:
        super().__init__(store)
        self._queue = queue

    def append(
        self,
        stream_name: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int | None = None,
        connection: psycopg.Connection[Any] | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """Write all of the events and the hint, or nothing; see `EventStore.append`."""

        def hinted(own: psycopg.Connection[Any]) -> Sequence[NewEvent]:
            # The hint first: the write takes the category's lock until the commit.
            is_hinted = self._hint(own, stream_name)
            return events if is_hinted else [self._addressed(event) for event in events]

        if connection is not None:
            return self.store.append(
                stream_name,
                hinted(connection),
                expected_version=expected_version,
                connection=connection,
            )
        return self.store.append_after(
            lambda own: Batch.of(stream_name, hinted(own), expected_version)
        )

    def hint(self, stream_name: str) -> bool:
        """Only hint; False where there is no queue."""
        return transact(self.store, lambda connection: self._hint(connection, stream_name))

    def _addressed(self, new: NewEvent) -> NewEvent:
        metadata = {**(new.metadata or {}), "queue": self._queue or DEFAULT_QUEUE}
        return msgspec.structs.replace(new, metadata=metadata)

    def _hint(self, connection: psycopg.Connection[Any], stream_name: str) -> bool:
        if not is_installed(connection):
            # Whoever installs it just now may have looked for threads before this one is there.
            with psycopg.RawCursor(connection) as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", INSTALLATION_LOCK)
            if not _one(connection, _HAS_SCHEMA):
                return False
        hint(connection, stream_name, self._queue)
        return True


def as_it_belongs(store: MessageDBClient, stream_name: str) -> EventStore:
    """The store to append with: one that tells workers, if the thread is theirs."""
    return QueueingStore(store) if queue_of(store, stream_name) is not None else store


def _one(connection: psycopg.Connection[Any], query: LiteralString, values: Any = ()) -> Any:
    with psycopg.RawCursor(connection) as cursor:
        row = cursor.execute(query, values).fetchone()
    return None if row is None else row[0]
