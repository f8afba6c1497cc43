"""Waiting for a server that went away, refuses or says nothing: so long, and not in silence."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.store.connections import STATEMENT_TIMEOUT_SECONDS
from messagedb_agent.store.faults import (
    first_line,
    is_connection_lost,
    is_refused_for_now,
    is_worth_repeating,
)

T = TypeVar("T")

OnWait = Callable[[str], None]

SECONDS_BEFORE_TELLING = 5.0
SECONDS_BEFORE_CUTTING = STATEMENT_TIMEOUT_SECONDS + 10.0

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


class Patience:
    """
    Runs work again while the server is away, up to `seconds`, and tells `on_wait` once.

    `revive` asks for the server to be brought back.
    """

    def __init__(
        self,
        seconds: float,
        on_wait: OnWait,
        revive: Callable[[], object],
    ) -> None:
        self._seconds = seconds
        self._on_wait = on_wait
        self._revive = revive
        self._closing = threading.Event()

    def close(self) -> None:
        """Whoever waits stops waiting."""
        self._closing.set()

    def run(self, work: Callable[[], T]) -> T:
        """Run idempotent work to its end. Raises psycopg's error when patience has run out."""
        deadline = time.monotonic() + self._seconds
        pause, told = _FIRST_PAUSE, False
        while True:
            try:
                return work()
            except psycopg.Error as error:
                waits = is_connection_lost(error) or is_refused_for_now(error)
                if not (waits or is_worth_repeating(error)) or time.monotonic() > deadline:
                    raise
                if waits and not told:
                    self._on_wait(_what_is_waited_for(error))
                    told = True
            if self._closing.wait(pause):
                raise StoreUnavailableError("the event store was closed")
            pause = min(pause * 2, _LONGEST_PAUSE)
            self._revive()


def _what_is_waited_for(error: psycopg.Error) -> str:
    problem = "is away" if is_connection_lost(error) else "refuses for now"
    return f"the database {problem} ({first_line(error)}); waiting for it"


class Vigil:
    """
    Watches what a server has been asked and has not answered.

    A server whose processes are stopped keeps its connections, so nothing fails by itself:
    after `tell` seconds `on_wait` is told, and after `cut` seconds, which is longer than the
    server lets a statement run, the connection is cut.
    """

    def __init__(
        self,
        on_wait: OnWait,
        tell: float = SECONDS_BEFORE_TELLING,
        cut: float = SECONDS_BEFORE_CUTTING,
    ) -> None:
        self._on_wait = on_wait
        self._tell = tell
        self._cut = cut
        self._mutex = threading.Lock()
        self._asked: dict[psycopg.Connection[Any], float] = {}
        self._told: set[psycopg.Connection[Any]] = set()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    @contextmanager
    def over(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Watch the connection while the block runs."""
        self.begin(connection)
        try:
            yield
        finally:
            self.end(connection)

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """Watch the connection until `end`."""
        with self._mutex:
            self._asked[connection] = time.monotonic()
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="vigil", daemon=True)
                self._thread.start()

    def end(self, connection: psycopg.Connection[Any]) -> None:
        """The server has answered, or the connection is gone."""
        with self._mutex:
            del self._asked[connection]
            self._told.discard(connection)

    def _watch(self) -> None:
        while not self._closed.wait(self._tell / 4):
            now = time.monotonic()
            with self._mutex:
                silent = {it for it, since in self._asked.items() if now - since > self._tell}
                fresh = silent - self._told
                self._told |= silent
                for connection in silent:
                    if now - self._asked[connection] > self._cut:
                        hang_up(connection)
            if fresh:
                self._on_wait(
                    f"the database has not answered for {self._tell:g} seconds; waiting for it"
                )


def hang_up(connection: psycopg.Connection[Any]) -> None:
    """End a connection that another thread waits on; closing it would leave that one waiting."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)
