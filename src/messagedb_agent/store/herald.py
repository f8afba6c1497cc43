"""Tells other processes which streams this one has appended to, after the commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg

from messagedb_agent.store.notifications import about, send

CALM_SECONDS = 0.02
"""What is appended so soon after a hint waits for the next one: many appends, few hints."""

_CLOSING_SECONDS = 1.0

Lend = Callable[[], AbstractContextManager[psycopg.Connection[Any]]]


class Herald:
    """
    Sends hints from a thread of its own, which begins with the first, so that no append waits.

    The session that it is lent should not be one that appends would take next. What can't be
    sent is dropped: who waits for events polls, too. Streams of which `is_driven` says so are
    left out, since their run tells of its events, with all else that it has to tell.
    """

    def __init__(self, lend: Lend, is_driven: Callable[[str], bool]) -> None:
        self._lend = lend
        self._is_driven = is_driven
        self._changed = threading.Condition()
        self._streams: dict[str, None] = {}
        self._within: dict[psycopg.Connection[Any], list[str]] = {}
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, stream_name: str) -> None:
        """A stream has new events, which are committed."""
        if self._is_driven(stream_name) or self._closed.is_set():
            return
        with self._changed:
            self._streams[stream_name] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="herald", daemon=True)
                self._thread.start()
            self._changed.notify()

    def say_later(self, connection: psycopg.Connection[Any], stream_name: str) -> None:
        """A stream has new events in a transaction; only those of `transaction` are told of."""
        if (streams := self._within.get(connection)) is not None:
            streams.append(stream_name)

    @contextmanager
    def transaction(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """Tell what is appended there, unless the block, at whose end it is committed, raises."""
        streams = self._within[connection] = list[str]()
        try:
            yield
        finally:
            del self._within[connection]
        for name in streams:
            self.say(name)

    def close(self) -> None:
        """Send what is left, and end."""
        self._closed.set()
        with self._changed:
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSING_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._streams or self._closed.is_set())
                streams, self._streams = self._streams, {}
            if not streams:
                return
            self._send(streams)
            self._closed.wait(CALM_SECONDS)

    def _send(self, streams: dict[str, None]) -> None:
        try:
            with self._lend() as connection:
                send(connection, [hint for name in streams for hint in about(name)])
        except psycopg.Error:
            return
