"""Watching a thread that another process drives."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from messagedb_agent.engine.history import advance_thread
from messagedb_agent.engine.recorder import Observer
from messagedb_agent.engine.thread import RunResult
from messagedb_agent.projections.next_step import Decider, Stop, decide
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.base import EventStore

POLL_SECONDS = 0.1
LOOKS_BEFORE_TAKING_OVER = 10


class Follower:
    """
    Reads a thread as it grows, and tells when its turn is over.

    `version` is the position of the last event that the observers have seen already.
    """

    def __init__(
        self,
        store: EventStore,
        stream_name: str,
        deciders: Iterable[Decider],
        observers: Iterable[Observer] = (),
        version: int = -1,
    ) -> None:
        self._store = store
        self._stream_name = stream_name
        self._deciders = tuple(deciders)
        self._observers = tuple(observers)
        self._seen = version
        self._projected = THREAD_STATE.at_start()

    @property
    def version(self) -> int:
        """The position of the last event read."""
        return self._projected.version

    def look(self) -> RunResult | None:
        """Read what is new; the result once the thread needs nothing more, or somebody."""
        arrived = tuple(self._store.read(self._stream_name, position=self.version + 1))
        self._projected = advance_thread(self._store, self._stream_name, self._projected, arrived)
        for record in arrived:
            if record.position > self._seen:
                for observe in self._observers:
                    observe(record)
        state = self._projected.state
        decision = decide(state, self._deciders)
        return RunResult(decision.reason, state) if isinstance(decision, Stop) else None

    def wait(self, cancelled: threading.Event) -> RunResult | None:
        """
        Follow until the turn is over, for about a second.

        None when it goes on: its driver may have died, so the caller should see whether it
        can take over.
        """
        for _ in range(LOOKS_BEFORE_TAKING_OVER):
            result = self.look()
            if result is not None or cancelled.wait(POLL_SECONDS):
                return result
        return None
