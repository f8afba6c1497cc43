"""Notices, while a step acts, that somebody wants the turn to stop, or that its time is over."""

from __future__ import annotations

import threading
from collections.abc import Callable

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events.system import SessionCompleted
from messagedb_agent.events.user import SessionTerminationRequested, TurnInterruptRequested
from messagedb_agent.store.base import EventStore

POLL_SECONDS = 0.4

_REQUESTS = (TurnInterruptRequested, SessionTerminationRequested, SessionCompleted)


class Watch:
    """
    Looks at the stream every now and then while `position` gives one.

    `position` is the version that the run knows, or None while it does not act. The watch
    changes nothing; it calls `stop` when it finds a request, or when the run `is_overdue`.
    """

    def __init__(
        self,
        store: EventStore,
        stream_name: str,
        position: Callable[[], int | None],
        is_overdue: Callable[[], bool],
        stop: Callable[[], object],
    ) -> None:
        self._store = store
        self._stream_name = stream_name
        self._position = position
        self._is_overdue = is_overdue
        self._stop = stop
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; starting twice is fine."""
        if self._thread is None:
            name = f"watch {self._stream_name}"
            self._thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(POLL_SECONDS):
            known = self._position()
            if known is not None and (self._is_overdue() or self._is_asked(known)):
                self._stop()

    def _is_asked(self, known: int) -> bool:
        try:
            arrived = self._store.read(self._stream_name, position=known + 1)
            return any(isinstance(record.event, _REQUESTS) for record in arrived)
        except StoreUnavailableError:
            # The run itself will notice; a watch that can't see has nothing to say.
            return False
