"""What consumers do with an event."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeAlias

import msgspec
import psycopg

from messagedb_agent.events.base import RecordedEvent

Handler: TypeAlias = Callable[[RecordedEvent], Awaitable[None] | None]
"""
Is called with each event, in the order of their positions; the next one waits for it.

It may be a coroutine function. Whatever it raises goes to the error policy. It may see an
event again after a crash, so its effects have to bear that.
"""

TransactionalHandler: TypeAlias = Callable[[RecordedEvent, psycopg.Connection[Any]], None]


class InTransaction(msgspec.Struct, frozen=True):
    """A handler whose effects on the store's database commit together with the position."""

    handle: TransactionalHandler


def in_transaction(handle: TransactionalHandler) -> InTransaction:
    """
    Mark a handler that works on the connection it is given; usable as a decorator.

    What it does there happens once for each event: it commits together with the position,
    which therefore has to be kept by `TablePositions`. It must not commit by itself.
    """
    return InTransaction(handle)


class Log(Protocol):
    """What is needed of a structlog logger."""

    def info(self, event: str, **values: Any) -> Any:
        """Write one record."""
        ...


class LoggingHandler:
    """Logs that an event happened; its data stays out, because it may be private."""

    def __init__(self, log: Log | None = None) -> None:
        self._log: Log = log or _structlog()

    def __call__(self, record: RecordedEvent) -> None:
        self._log.info(
            "event",
            type=record.type,
            stream_name=record.stream_name,
            position=record.position,
            global_position=record.global_position,
            id=record.id,
        )


def _structlog() -> Log:
    import structlog  # noqa: PLC0415 - takes longer to import than all else here

    log: Log = structlog.get_logger("messagedb_agent.subscriber")
    return log


class MetricsHandler:
    """Counts events by type, and what another handler, if one is given, makes of them."""

    def __init__(
        self,
        handler: Callable[[RecordedEvent], None] | None = None,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._handler = handler
        self._clock = clock
        self.handled: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.seconds = 0.0
        self.last_global_position = 0

    def __call__(self, record: RecordedEvent) -> None:
        if self._handler is not None:
            began = self._clock()
            try:
                self._handler(record)
            except Exception:
                self.failed[record.type] += 1
                raise
            finally:
                self.seconds += self._clock() - began
        self.handled[record.type] += 1
        self.last_global_position = record.global_position
