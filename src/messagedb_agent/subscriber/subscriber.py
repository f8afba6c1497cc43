"""The loop of a consumer: read a batch, have it handled, save the position, wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Self

import msgspec
import psycopg

from messagedb_agent.errors import ConsumerBusyError, StoreUnavailableError, UsageError
from messagedb_agent.events.base import Event
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE
from messagedb_agent.store.category import check_batch_size
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.faults import first_line, translate
from messagedb_agent.store.positions import ConsumerName, MemoryPositions, PositionStore
from messagedb_agent.store.table_positions import TablePositions
from messagedb_agent.subscriber.attempts import (
    Attempts,
    PositionMovedError,
    StoppedError,
    is_outage,
)
from messagedb_agent.subscriber.dead_letters import DeadLetters
from messagedb_agent.subscriber.delivery import AtLeastOnce, Calls, Delivery, OnceInTransaction
from messagedb_agent.subscriber.handlers import Handler, InTransaction
from messagedb_agent.subscriber.lanes import Lane, Lanes, Start
from messagedb_agent.subscriber.policy import ErrorPolicy
from messagedb_agent.subscriber.source import source_for
from messagedb_agent.subscriber.waiting import Waiting

DEFAULT_POLL_INTERVAL = 0.5
DEFAULT_SAVE_INTERVAL = 5.0

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

_warn = logging.getLogger("messagedb_agent.subscriber").warning


class Subscriber:
    """
    Gives the events of a category with its shards, or of one stream, to a handler.

    They come in order within each stream, and within each category in the order of global
    positions.
    Without a saved position it begins at `start`: a position, or `"end"` for new events
    only. `position_store` remembers, under `consumer_id`, how far it came; after each batch,
    but not more often than every `save_interval` seconds, and when it stops. An event may
    therefore come again after a crash, unless the handler is `in_transaction`.

    New events are looked for every `poll_interval` seconds, and at once when somebody
    notifies; `listen=False` saves the session for that. The members of a consumer group
    share the streams of a category among themselves. `correlation` is the category, with its
    shards, of the streams that the events followed from. `event_types` (classes or names) are
    all that is decoded and handled. `on_problem` gets one line when the database is away.

    Raises `UsageError` when the parameters don't fit together.
    """

    _is_behind = False
    _stop_requested = False
    _stop_event: threading.Event | None = None
    _waiting: Waiting | None = None

    def __init__(
        self,
        store: MessageDBClient,
        category: str,
        handler: Handler | InTransaction,
        *,
        position_store: PositionStore | None = None,
        consumer_id: str | None = None,
        start: Start = 0,
        event_types: Iterable[type[Event] | str] | None = None,
        correlation: str | None = None,
        consumer_group_member: int | None = None,
        consumer_group_size: int | None = None,
        condition: str | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        poll_interval: float = DEFAULT_POLL_INTERVAL,
        save_interval: float = DEFAULT_SAVE_INTERVAL,
        error_policy: ErrorPolicy | None = None,
        listen: bool = True,
        on_problem: Callable[[str], None] = _warn,
    ) -> None:
        check_batch_size(batch_size)
        if position_store is not None and consumer_id is None:
            raise UsageError("a position store needs a consumer_id to keep positions apart")
        self._store = store
        self._name = category
        self._types = _names(handler, event_types)
        self._batch_size = batch_size
        self._poll_interval, self._save_soon = poll_interval, min(poll_interval, save_interval)
        self._listen = listen
        self._on_problem = on_problem
        self._calls: Calls | None = None
        consumer = ConsumerName(
            category, consumer_id or "unnamed", consumer_group_member, consumer_group_size
        )
        policy = error_policy or ErrorPolicy()
        delivery_to = self._deliveries(handler, consumer, position_store, policy, save_interval)
        open_lane = self._opener(consumer, delivery_to, correlation, condition)
        self._lanes = Lanes(store, category, open_lane, start)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def run(self, stop_event: threading.Event | None = None) -> None:
        """
        Handle events until `stop` is called or the event is set.

        When the database goes away later on, it is waited for. Raises what the error policy
        says, and `StoreUnavailableError` when there is nothing to start with. Coroutine
        handlers run on a loop of the subscriber's own: call this from no other loop's thread.
        """
        self._stop_event = stop_event
        try:
            with self._open(self._store.session if self._listen else None) as waiting:
                self._lanes.look()
                self._loop(waiting)
        finally:
            self._stop_event = None
            self.close()

    def run_once(self) -> int:
        """Handle a batch, of each shard one, and save; how many events were read, 0 at the end."""
        with self._open(None):
            try:
                return self._turn()
            except StoppedError:
                return 0
            except PositionMovedError:
                self._lanes.load()
                return 0
            except psycopg.Error as error:
                raise translate(error) from error
            finally:
                self._lanes.save(at_once=True)

    def stop(self) -> None:
        """End `run` after the event that is being handled; safe in threads and signal handlers."""
        self._stop_requested = True
        if (waiting := self._waiting) is not None:
            waiting.interrupt()

    def close(self) -> None:
        """End the event loop of coroutine handlers; after `run` that is done."""
        if self._calls is not None:
            self._calls.close()

    def _deliveries(
        self,
        handler: Handler | InTransaction,
        consumer: ConsumerName,
        positions: PositionStore | None,
        policy: ErrorPolicy,
        save_interval: float,
    ) -> Callable[[ConsumerName], Delivery]:
        # One stream of dead letters, whichever shard an event comes from.
        attempts = Attempts(policy, DeadLetters(self._store, consumer), self._pause)
        if not isinstance(handler, InTransaction):
            self._calls = calls = Calls(handler)
            kept = positions or MemoryPositions()
            return lambda own: AtLeastOnce(
                own,
                calls,
                positions=kept,
                attempts=attempts,
                is_stopping=self._is_stopping,
                save_interval=save_interval,
            )
        if not isinstance(positions, TablePositions):
            raise UsageError("a handler that is in_transaction needs TablePositions")
        return lambda own: OnceInTransaction(
            own,
            handler,
            positions=positions,
            attempts=attempts,
            is_stopping=self._is_stopping,
            store=self._store,
        )

    def _opener(
        self,
        consumer: ConsumerName,
        delivery_to: Callable[[ConsumerName], Delivery],
        correlation: str | None,
        condition: str | None,
    ) -> Callable[[str], Lane]:
        def open_lane(name: str) -> Lane:
            own = msgspec.structs.replace(consumer, source=name)
            source = source_for(name, correlation, own.member, own.group_size, condition)
            return Lane(self._store, source, delivery_to(own))

        return open_lane

    @contextmanager
    def _open(self, connect: Callable[[], psycopg.Connection[Any]] | None) -> Iterator[Waiting]:
        self._waiting = waiting = Waiting(self._name, connect, self._is_stopping)
        try:
            yield waiting
        finally:
            self._waiting = None
            waiting.close()
            self._stop_requested = False

    def _loop(self, waiting: Waiting) -> None:
        pause = _FIRST_PAUSE
        while not self._is_stopping():
            try:
                waiting.prepare()
                read = self._turn()
                is_saved = self._lanes.save(at_once=False)
                pause = _FIRST_PAUSE
                if read < self._batch_size:
                    waiting.for_events(self._poll_interval if is_saved else self._save_soon)
            except StoppedError:
                break
            except (PositionMovedError, ConsumerBusyError):
                # Another process works under this name; go on from where it came to.
                self._lanes.load()
                waiting.pause(self._poll_interval)
            except Exception as error:
                if not is_outage(error):
                    self._save_finally()
                    raise translate(error) if isinstance(error, psycopg.Error) else error from error
                if pause == _FIRST_PAUSE:
                    self._on_problem(f"the database is away ({first_line(error)}); waiting for it")
                waiting.pause(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._revive()
        self._save_finally()

    def _turn(self) -> int:
        if not self._is_behind:
            self._lanes.look()
        read = sum(lane.turn(self._batch_size, self._types) for lane in self._lanes)
        self._is_behind = read >= self._batch_size
        return read

    def _revive(self) -> None:
        # Where that fails the next read fails too, and is told about already.
        with suppress(StoreUnavailableError):
            self._store.revive()

    def _save_finally(self) -> None:
        try:
            self._lanes.save(at_once=True)
        except StoreUnavailableError as error:
            self._on_problem(f"the position was not saved, events may come again: {error}")

    def _is_stopping(self) -> bool:
        event = self._stop_event
        return self._stop_requested or (event is not None and event.is_set())

    def _pause(self, seconds: float) -> bool:
        waiting = self._waiting
        return waiting is None or waiting.pause(seconds)


def _names(
    handler: Handler | InTransaction, event_types: Iterable[type[Event] | str] | None
) -> frozenset[str] | None:
    if event_types is None:
        # A router knows what it can do something with.
        known: frozenset[str] | None = getattr(handler, "event_types", None)
        return known
    return frozenset(kind if isinstance(kind, str) else kind.__name__ for kind in event_types)
