"""Notices, while steps act, that somebody wants a turn to stop, or that its time is over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events.system import SessionCompleted
from messagedb_agent.events.user import SessionTerminationRequested, TurnInterruptRequested
from messagedb_agent.store.base import EventStore

POLL_SECONDS = 0.4

_REQUESTS = tuple(
    kind.__name__
    for kind in (TurnInterruptRequested, SessionTerminationRequested, SessionCompleted)
)


class Watched(NamedTuple):
    """
    A run that may be asked to stop.

    `position` is the version that the run knows, or None while it does not act. `stop` is
    called when somebody asks for it, or when the run `is_overdue`.
    """

    stream_name: str
    position: Callable[[], int | None]
    is_overdue: Callable[[], bool]
    stop: Callable[[], object]


class Watch:
    """
    Looks every now and then for what concerns runs that act, for all of them at once.

    However many runs a process drives, a look is one statement, and a step that is shorter than
    the pause between two costs none: when its outcome is written, the run sees what came in. The
    watch has a thread while there are runs to look after; it changes nothing.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._mutex = threading.Lock()
        self._runs: set[Watched] = set()
        self._is_watching = False

    def add(self, run: Watched) -> None:
        """Look after a run from now on; adding it twice is fine."""
        with self._mutex:
            self._runs.add(run)
            if not self._is_watching:
                self._is_watching = True
                threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def remove(self, run: Watched) -> None:
        """Look after it no more."""
        with self._mutex:
            self._runs.discard(run)

    def _watch(self) -> None:
        pause = threading.Event()
        acted: dict[Watched, int] = {}
        while True:
            pause.wait(POLL_SECONDS)
            with self._mutex:
                if not self._runs:
                    self._is_watching = False
                    return
                runs = tuple(self._runs)
            acting = {run: at for run in runs if (at := run.position()) is not None}
            self._look(runs, {run: at for run, at in acting.items() if acted.get(run) == at})
            acted = acting

    def _look(self, runs: tuple[Watched, ...], lasting: Mapping[Watched, int]) -> None:
        for run in runs:
            # Before the store is asked, which may be away for longer than a run may take.
            if run.position() is not None and run.is_overdue():
                run.stop()
        asked = self._asked({run.stream_name: at for run, at in lasting.items()})
        for run in lasting:
            # Only a run that still acts: the next turn is not to be stopped for this one.
            if run.stream_name in asked and run.position() is not None:
                run.stop()

    def _asked(self, known: Mapping[str, int]) -> frozenset[str]:
        if not known:
            return frozenset()
        try:
            return self._store.streams_with(_REQUESTS, after=known)
        except StoreUnavailableError:
            # The runs themselves will notice; a watch that can't see has nothing to say.
            return frozenset()
