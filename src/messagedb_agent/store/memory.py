"""An event store in memory, with the same contract: for tests, examples and trying things out."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from messagedb_agent.errors import OptimisticConcurrencyError, ThreadBusyError, UsageError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EventRow, decode, encode
from messagedb_agent.events.json_text import in_stored_order
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.stream import check_stream_name


class MemoryStore:
    """
    Streams that live as long as the process.

    Events go through the codec as they do in the database, so that what comes back is what
    PostgreSQL would give. There is no SQL connection: transactions hold nothing, and tools
    that need one can't run here.
    """

    def __init__(self) -> None:
        self._mutex = threading.RLock()
        self._rows: list[EventRow] = []
        self._streams: dict[str, list[EventRow]] = {}
        self._by_id: dict[str, EventRow] = {}
        self._locks: set[str] = set()

    def append(
        self,
        stream_name: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int | None = None,
        connection: Any = None,
    ) -> tuple[RecordedEvent, ...]:
        """Write all of the events or none; see `EventStore.append`."""
        if connection is not None:
            raise UsageError("a store in memory can not join a database transaction")
        check_stream_name(stream_name)
        encoded = [encode(new.event, new.metadata, new.data_text) for new in events]
        with self._mutex:
            known = [self._by_id.get(new.id) for new in events]
            if all(row is not None and row.stream_name == stream_name for row in known):
                return tuple(decode(row) for row in known if row is not None)
            if any(known) or len({new.id for new in events}) < len(events):
                raise UsageError("an event with one of these ids is stored already")
            version = self.version(stream_name)
            if expected_version is not None and expected_version != version:
                raise OptimisticConcurrencyError(stream_name, expected_version, version)
            now = datetime.now(UTC).replace(tzinfo=None)
            rows = [
                EventRow(
                    new.id, stream_name, row.type, version + place, len(self._rows) + place,
                    in_stored_order(row.data), row.metadata, now,
                )
                for place, (new, row) in enumerate(zip(events, encoded, strict=True), start=1)
            ]  # fmt: skip
            self._rows.extend(rows)
            self._streams.setdefault(stream_name, []).extend(rows)
            self._by_id.update((row.id, row) for row in rows)
        return tuple(map(decode, rows))

    def read(
        self, stream_name: str, *, position: int = 0, connection: Any = None
    ) -> Iterator[RecordedEvent]:
        """The events from a position on."""
        if connection is not None:
            raise UsageError("a store in memory can not join a database transaction")
        check_stream_name(stream_name)
        with self._mutex:
            rows = self._streams.get(stream_name, [])[max(position, 0) :]
        return map(decode, rows)

    def version(self, stream_name: str) -> int:
        """The position of the last event of a stream, or `NO_STREAM`."""
        check_stream_name(stream_name)
        return len(self._streams.get(stream_name, ())) - 1

    def streams_with(self, types: Collection[str], *, after: Mapping[str, int]) -> frozenset[str]:
        """The streams that have an event of one of these types after a position."""
        with self._mutex:
            return frozenset(
                name
                for name, position in after.items()
                if any(row.type in types for row in self._streams.get(name, [])[position + 1 :])
            )

    def lock(self, stream_name: str) -> _MemoryLock:
        """Take the right to drive a thread within this process."""
        check_stream_name(stream_name)
        with self._mutex:
            if stream_name in self._locks:
                raise ThreadBusyError(f"{stream_name} is being driven by this process already")
            self._locks.add(stream_name)
        return _MemoryLock(self._locks, stream_name)

    @contextmanager
    def connection(self) -> Iterator[None]:
        """There is none."""
        yield None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nothing to hold: the block runs as it is."""
        yield None

    def close(self) -> None:
        """Nothing to give back."""


class _MemoryLock:
    """One held lock; see `ThreadLock`."""

    def __init__(self, held: set[str], stream_name: str) -> None:
        self._held: set[str] | None = held
        self._stream_name = stream_name

    def is_held(self) -> bool:
        return self._held is not None

    def release(self) -> None:
        if self._held is not None:
            self._held.discard(self._stream_name)
            self._held = None
