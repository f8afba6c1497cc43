"""Waiting for new events, for a request to stop, or for time to pass; whichever comes first."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg

from messagedb_agent.errors import AgentError
from messagedb_agent.store.notifications import is_about, listen

RECONNECT_SECONDS = 5.0
"""How long to go on with polling alone after the listening session could not be opened."""

_GLANCE_SECONDS = 0.25


class Waiting:
    """
    The waits of one run.

    `interrupt` may be called from anywhere, signal handlers included: it writes to a pipe
    that every wait looks at. `connect` opens the session that listens; without it, or while
    that fails, waiting ends when its time is over.
    """

    def __init__(
        self,
        source_name: str,
        connect: Callable[[], psycopg.Connection[Any]] | None,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._source_name = source_name
        self._connect = connect
        self._is_stopping = is_stopping
        self._session: psycopg.Connection[Any] | None = None
        self._next_try = 0.0
        # Reentrant, because a signal may arrive while its own thread holds it.
        self._mutex = threading.RLock()
        self._is_open = True
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def close(self) -> None:
        """End the session and the pipe."""
        self._hang_up()
        with self._mutex:
            self._is_open = False
            os.close(self._reader)
            os.close(self._writer)

    def interrupt(self) -> None:
        """End the wait that goes on, or the next one."""
        with self._mutex:
            if not self._is_open:
                return
            # A pipe that is full wakes as well.
            with suppress(BlockingIOError):
                os.write(self._writer, b"!")

    def prepare(self) -> None:
        """Listen, before events are looked for, so that none slips in between."""
        if self._connect is None or self._session is not None:
            return
        if time.monotonic() < self._next_try:
            return
        try:
            self._session = self._connect()
            listen(self._session)
        except (AgentError, psycopg.Error):
            self._hang_up()

    def for_events(self, seconds: float) -> None:
        """Wait until something may have happened."""
        self._wait(seconds, self._session)

    def pause(self, seconds: float) -> bool:
        """Wait in any case. True when it is time to stop."""
        self._wait(seconds, None)
        return self._is_stopping()

    def _wait(self, seconds: float, session: psycopg.Connection[Any] | None) -> None:
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        if session is not None:
            poll.register(session.fileno(), select.POLLIN)
        while not self._is_stopping():
            left = deadline - time.monotonic()
            if left <= 0:
                return
            # An event of the caller's can't be polled, so it is glanced at.
            ready = poll.poll(min(left, _GLANCE_SECONDS) * 1000)
            if any(fd == self._reader for fd, _ in ready):
                return
            if ready and session is not None and self._was_told(session):
                return

    def _was_told(self, session: psycopg.Connection[Any]) -> bool:
        told = False
        try:
            session.pgconn.consume_input()
            while (notification := session.pgconn.notifies()) is not None:
                payload = notification.extra.decode("utf-8", "replace")
                told = told or is_about(payload, self._source_name)
        except psycopg.Error:
            self._hang_up()
            return True
        return told

    def _hang_up(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None
        self._next_try = time.monotonic() + RECONNECT_SECONDS
