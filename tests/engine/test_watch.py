"""Runs that act are told to stop, all of them by one look at the store."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Collection, Mapping

from messagedb_agent.engine.watch import Watch, Watched
from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events import TurnInterruptRequested, UserMessageAdded
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.wrapper import StoreWrapper

PATIENCE_SECONDS = 20


class CountingLooks(StoreWrapper[MemoryStore]):
    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.looks: list[Mapping[str, int]] = []
        self.looked = threading.Semaphore(0)
        self.is_away = False

    def streams_with(self, types: Collection[str], *, after: Mapping[str, int]) -> frozenset[str]:
        self.looks.append(after)
        self.looked.release()
        if self.is_away:
            raise StoreUnavailableError("away")
        return super().streams_with(types, after=after)


class Run:
    """A run that acts on one stream."""

    def __init__(self, name: str, *, is_overdue: Callable[[], bool] = lambda: False) -> None:
        self.stopped = threading.Event()
        self.at: int | None = 0
        self.watched = Watched(name, lambda: self.at, is_overdue, self.stopped.set)


def begin(store: MemoryStore, *names: str) -> None:
    for name in names:
        store.append(name, [NewEvent(event=UserMessageAdded(message="go"))])


def ask_to_stop(store: MemoryStore, name: str) -> None:
    store.append(name, [NewEvent(event=TurnInterruptRequested())])


def test_who_is_asked_to_stop_is_stopped_and_nobody_else() -> None:
    store = MemoryStore()
    begin(store, "a:v0-1", "a:v0-2")
    runs = [Run("a:v0-1"), Run("a:v0-2")]
    watch = Watch(store)
    for run in runs:
        watch.add(run.watched)

    ask_to_stop(store, "a:v0-2")

    assert runs[1].stopped.wait(PATIENCE_SECONDS)
    assert not runs[0].stopped.is_set()
    for run in runs:
        watch.remove(run.watched)


def test_many_runs_are_looked_after_by_one_look() -> None:
    store = CountingLooks(MemoryStore())
    watch, runs = Watch(store), [Run(f"a:v0-{number}") for number in range(50)]
    for run in runs:
        watch.add(run.watched)

    assert store.looked.acquire(timeout=PATIENCE_SECONDS)
    assert store.looks[0] == {run.watched.stream_name: 0 for run in runs}
    for run in runs:
        watch.remove(run.watched)


def test_a_run_that_does_not_act_is_left_alone() -> None:
    memory = MemoryStore()
    store = CountingLooks(memory)
    begin(memory, "a:v0-1", "a:v0-2")
    watch, idle, other = Watch(store), Run("a:v0-1"), Run("a:v0-2")
    idle.at = None
    for run in (idle, other):
        watch.add(run.watched)
    ask_to_stop(memory, "a:v0-1")
    ask_to_stop(memory, "a:v0-2")

    assert other.stopped.wait(PATIENCE_SECONDS)
    assert not idle.stopped.is_set()
    for run in (idle, other):
        watch.remove(run.watched)


def test_a_run_whose_steps_are_short_is_not_asked_about() -> None:
    store = CountingLooks(MemoryStore())
    positions = itertools.count()
    hurried = Watched("a:v0-1", lambda: next(positions), lambda: False, lambda: None)
    watch, lasting = Watch(store), Run("a:v0-2")
    for run in (hurried, lasting.watched):
        watch.add(run)

    for _ in range(2):
        assert store.looked.acquire(timeout=PATIENCE_SECONDS)

    assert all(look == {"a:v0-2": 0} for look in store.looks)
    for run in (hurried, lasting.watched):
        watch.remove(run)


def test_a_run_whose_time_is_over_is_stopped_also_while_the_store_is_away() -> None:
    store = CountingLooks(MemoryStore())
    store.is_away = True
    run = Run("a:v0-1", is_overdue=lambda: True)
    watch = Watch(store)
    watch.add(run.watched)

    assert run.stopped.wait(PATIENCE_SECONDS)
    watch.remove(run.watched)


def test_a_watch_begins_again_after_it_had_nothing_to_look_after() -> None:
    store = CountingLooks(MemoryStore())
    watch, run = Watch(store), Run("a:v0-1")
    for _ in range(2):
        watch.add(run.watched)
        assert store.looked.acquire(timeout=PATIENCE_SECONDS)
        watch.remove(run.watched)
        for thread in threading.enumerate():
            if thread.name == "watch":
                thread.join(PATIENCE_SECONDS)
        assert not any(thread.name == "watch" for thread in threading.enumerate())
        while store.looked.acquire(blocking=False):
            continue
