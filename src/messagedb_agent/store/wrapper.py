"""An event store around another one, for those that do something of their own besides."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.base import EventStore, NewEvent, ThreadLock

if TYPE_CHECKING:
    import psycopg

S = TypeVar("S", bound=EventStore)


class StoreWrapper(Generic[S]):
    """An `EventStore` that passes everything on to `store`, for subclasses to override."""

    def __init__(self, store: S) -> None:
        self.store = store

    def append(
        self,
        stream_name: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int | None = None,
        connection: psycopg.Connection[Any] | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """See `EventStore.append`."""
        return self.store.append(
            stream_name, events, expected_version=expected_version, connection=connection
        )

    def read(
        self,
        stream_name: str,
        *,
        position: int = 0,
        connection: psycopg.Connection[Any] | None = None,
    ) -> Iterator[RecordedEvent]:
        """See `EventStore.read`."""
        return self.store.read(stream_name, position=position, connection=connection)

    def version(self, stream_name: str) -> int:
        """See `EventStore.version`."""
        return self.store.version(stream_name)

    def streams_with(self, types: Collection[str], *, after: Mapping[str, int]) -> frozenset[str]:
        """See `EventStore.streams_with`."""
        return self.store.streams_with(types, after=after)

    def lock(self, stream_name: str) -> ThreadLock:
        """See `EventStore.lock`."""
        return self.store.lock(stream_name)

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any] | None]:
        """See `EventStore.connection`."""
        return self.store.connection()

    def transaction(self) -> AbstractContextManager[psycopg.Connection[Any] | None]:
        """See `EventStore.transaction`."""
        return self.store.transaction()

    def close(self) -> None:
        """See `EventStore.close`."""
        self.store.close()
