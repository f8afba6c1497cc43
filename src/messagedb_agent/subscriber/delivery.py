"""How a batch of rows reaches a handler, and when its position is saved."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Protocol

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EventRow, decode
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.positions import ConsumerName, PositionStore
from messagedb_agent.store.table_positions import TablePositions
from messagedb_agent.subscriber.attempts import (
    NOT_ABOUT_THE_EVENT,
    Attempts,
    PositionMovedError,
    StoppedError,
    is_outage,
)
from messagedb_agent.subscriber.handlers import Handler, InTransaction

Batch = Sequence[tuple[int, EventRow]]
"""Rows that passed the filter, each with its place."""


class Delivery(Protocol):
    """Takes batches; `position` is the place up to which everything is handled."""

    position: int | None

    def load(self) -> int | None:
        """Read the saved position, which becomes `position`."""
        ...

    def deliver(self, batch: Batch, end: int) -> None:
        """Handle the rows; with the last one everything up to `end` is handled."""
        ...

    def save(self, *, at_once: bool) -> bool:
        """Save the position, unless that can wait and is not wanted `at_once`; true when saved."""
        ...


class Calls:
    """Calls a handler; what it awaits runs on one event loop, which lasts until `close`."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._runner: asyncio.Runner | None = None

    def __call__(self, record: RecordedEvent) -> None:
        """Have one event handled."""
        awaitable = self._handler(record)
        if awaitable is not None:
            if self._runner is None:
                self._runner = asyncio.Runner()
            self._runner.get_loop().run_until_complete(_finish(awaitable))

    def close(self) -> None:
        """End the event loop."""
        if self._runner is not None:
            self._runner.close()
            self._runner = None


class AtLeastOnce:
    """Calls first and saves later: after a crash some events come again."""

    def __init__(
        self,
        consumer: ConsumerName,
        handle: Calls,
        *,
        positions: PositionStore,
        attempts: Attempts,
        is_stopping: Callable[[], bool],
        save_interval: float,
    ) -> None:
        self.position: int | None = None
        self._consumer = consumer
        self._handle = handle
        self._positions = positions
        self._attempts = attempts
        self._is_stopping = is_stopping
        self._save_interval = save_interval
        self._saved: int | None = None
        self._saved_at = 0.0

    def load(self) -> int | None:
        """Read the saved position."""
        self.position = self._saved = self._positions.load(self._consumer)
        self._saved_at = time.monotonic()
        return self.position

    def deliver(self, batch: Batch, end: int) -> None:
        """Handle the rows one after the other."""
        handle, is_stopping = self._handle, self._is_stopping
        for place, row in batch:
            if is_stopping():
                raise StoppedError
            record = decode(row)
            try:
                handle(record)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                self._attempts.settle(record, error, partial(handle, record))
            self.position = place
        self.position = end

    def save(self, *, at_once: bool) -> bool:
        """Save what is not saved yet, unless it was done a moment ago."""
        if self.position is None or self.position == self._saved:
            return True
        now = time.monotonic()
        if not at_once and now - self._saved_at < self._save_interval:
            return False
        self._positions.save(self._consumer, self.position)
        self._saved, self._saved_at = self.position, now
        return True


class OnceInTransaction:
    """Effects and position in one transaction: a batch at a time, one by one after a failure."""

    def __init__(
        self,
        consumer: ConsumerName,
        handler: InTransaction,
        *,
        positions: TablePositions,
        attempts: Attempts,
        is_stopping: Callable[[], bool],
        store: MessageDBClient,
    ) -> None:
        self.position: int | None = None
        self._consumer = consumer
        self._handle = handler.handle
        self._positions = positions
        self._attempts = attempts
        self._is_stopping = is_stopping
        self._store = store

    def load(self) -> int | None:
        """Read the saved position."""
        self.position = self._positions.load(self._consumer)
        return self.position

    def deliver(self, batch: Batch, end: int) -> None:
        """Handle the rows and save, all of it or nothing."""
        records = [(place, decode(row)) for place, row in batch]
        try:
            self._commit(records, end)
        except Exception as error:
            if not records or isinstance(error, NOT_ABOUT_THE_EVENT) or is_outage(error):
                raise
            self._one_by_one(records, end)

    def save(self, *, at_once: bool) -> bool:
        """Nothing is ever left to be saved, but for the first position."""
        if at_once and self.position is not None and self._positions.load(self._consumer) is None:
            self._positions.save(self._consumer, self.position)
        return True

    def _one_by_one(self, records: Sequence[tuple[int, RecordedEvent]], end: int) -> None:
        for place, record in records:
            one = [(place, record)]
            try:
                self._commit(one, place)
            except Exception as error:  # noqa: BLE001 - a handler may raise anything
                if not self._attempts.settle(record, error, partial(self._commit, one, place)):
                    self._commit([], place)
        self._commit([], end)

    def _commit(self, records: Sequence[tuple[int, RecordedEvent]], end: int) -> None:
        with self._store.transaction() as connection:
            if self._positions.lock(connection, self._consumer) != self.position:
                raise PositionMovedError
            reached = self.position
            for place, record in records:
                if self._is_stopping():
                    break
                self._handle(record, connection)
                reached = place
            else:
                reached = end
            if reached is not None:
                self._positions.save_within(connection, self._consumer, reached)
        self.position = reached
        if reached != end:
            raise StoppedError


def _finish(awaitable: Awaitable[None]) -> Coroutine[Any, Any, None]:
    async def finish() -> None:
        await awaitable

    return awaitable if asyncio.iscoroutine(awaitable) else finish()
