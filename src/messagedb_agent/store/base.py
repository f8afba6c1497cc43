"""What an event store is to the engine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from os import urandom
from time import time_ns
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from messagedb_agent.events.base import Event, RecordedEvent

if TYPE_CHECKING:
    import psycopg

NO_STREAM = -1
"""The version of a stream without events; as an expected version: "must not exist yet"."""

DEFAULT_BATCH_SIZE = 1000
FIRST_BATCH_SIZE = 128
"""What is read of a stream at first: most have no more, and of a longer one there is a snapshot."""

MAX_ANCESTORS = 100
"""Deeper than anybody forks; streams that refer to each other in a circle end here."""


def new_event_id() -> str:
    """
    An id for an event, given before the first attempt to write it: a UUID of version 7.

    It begins with the time, so that new ids stand side by side in the index of all ids. Random
    ones would touch another page each, and PostgreSQL logs a page whole when it is first
    changed after a checkpoint.
    """
    digits = f"{time_ns() // 1_000_000:012x}{urandom(10).hex()}"
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class NewEvent(msgspec.Struct, frozen=True, kw_only=True):
    """
    An event that is about to be written.

    Its id is given at once and stays: writing the same `NewEvent` again after a lost
    connection finds the first write instead of repeating it. `data_text` is what the codec's
    `prepare` gave with the event, if that was asked.
    """

    event: Event
    metadata: Mapping[str, Any] | None = None
    data_text: str | None = None
    id: str = msgspec.field(default_factory=new_event_id)


class ThreadLock(Protocol):
    """The right to drive one thread; it ends with `release` or with the process."""

    def is_held(self) -> bool:
        """Whether the right still stands, as far as can be told without asking the server."""
        ...

    def release(self) -> None:
        """Give the right back. Releasing twice is fine."""
        ...


class EventStore(Protocol):
    """
    Streams of events that only grow.

    Positions count from 0 without gaps; the version of a stream is the position of its last
    event, `NO_STREAM` when it has none.
    """

    def append(
        self,
        stream_name: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int | None = None,
        connection: psycopg.Connection[Any] | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """
        Write all of the events, in order, or none.

        With `connection` they become part of the transaction that is open there; without,
        they are committed when this returns. Events whose ids the stream holds already are
        not written again. Raises `OptimisticConcurrencyError` when the stream is not at
        `expected_version`, and `StoreUnavailableError` when the store can't be reached.
        """
        ...

    def read(
        self,
        stream_name: str,
        *,
        position: int = 0,
        connection: psycopg.Connection[Any] | None = None,
    ) -> Iterator[RecordedEvent]:
        """
        The events from a position on, in pages; nothing for a stream that does not exist.

        With `connection` they are read there, inside of its transaction if one is open.
        """
        ...

    def version(self, stream_name: str) -> int:
        """The position of the last event, or `NO_STREAM`."""
        ...

    def streams_with(self, types: Collection[str], *, after: Mapping[str, int]) -> frozenset[str]:
        """
        The streams that have an event of one of these types after a position.

        `after` gives the position in each stream that is looked at; one look for all of them.
        """
        ...

    def lock(self, stream_name: str) -> ThreadLock:
        """Take the right to drive a thread. Raises `ThreadBusyError`, saying who has it."""
        ...

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any] | None]:
        """A connection in autocommit mode, for a moment; None where a store has no database."""
        ...

    def transaction(self) -> AbstractContextManager[psycopg.Connection[Any] | None]:
        """A transaction for a tool's work and its event; None where a store has no database."""
        ...

    def close(self) -> None:
        """Give all connections back."""
        ...
