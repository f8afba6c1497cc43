"""
What this process knows of threads that it has closed, so that opening one again costs what is new.

Like a snapshot it is a cache: it counts only while the event at its position is the one that it
was, and whoever has none reads the stream.
"""

from __future__ import annotations

import threading
from typing import NamedTuple
from weakref import WeakKeyDictionary

from messagedb_agent.engine.model_memory import ModelMemory
from messagedb_agent.projections.base import Projected
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.base import EventStore

MOST_EVENTS = 200_000
"""How long all remembered threads are together; longer ones have their snapshots."""


class Remembered(NamedTuple):
    """
    The state of a thread, and the id of the event that it is the state after.

    `kept` is the position of the newest snapshot.
    """

    projected: Projected[ThreadState]
    event_id: str
    kept: int
    memory: ModelMemory


class Memory:
    """
    The threads of one store that were closed last.

    What is taken is not there any more: two who went on from one state would extend the same lists.
    """

    def __init__(self, most_events: int = MOST_EVENTS) -> None:
        self._most_events = most_events
        self._mutex = threading.Lock()
        self._threads: dict[str, Remembered] = {}
        self._events = 0

    def take(self, stream_name: str) -> Remembered | None:
        """What is known of a thread; None when it was not kept, or has been taken."""
        with self._mutex:
            return self._take(stream_name)

    def keep(self, stream_name: str, thread: Remembered) -> None:
        """Know it from now on, in place of those closed before if need be."""
        with self._mutex:
            self._take(stream_name)
            if _events(thread) > self._most_events:
                return
            self._threads[stream_name] = thread
            self._events += _events(thread)
            while self._events > self._most_events:
                self._take(next(iter(self._threads)))

    def _take(self, stream_name: str) -> Remembered | None:
        thread = self._threads.pop(stream_name, None)
        if thread is not None:
            self._events -= _events(thread)
        return thread


def _events(thread: Remembered) -> int:
    return thread.projected.version + 1


_MEMORIES: WeakKeyDictionary[EventStore, Memory] = WeakKeyDictionary()
_MUTEX = threading.Lock()


def memory_of(store: EventStore) -> Memory:
    """The memory that goes with a store, and ends with it."""
    with _MUTEX:
        try:
            return _MEMORIES.setdefault(store, Memory())
        except TypeError:
            # A store of somebody's own that nothing can refer to weakly.
            return Memory()
