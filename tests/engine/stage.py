"""
A store that lets one of its actors through at a time, and a search through all orders.

Actors are drivers, users, and the tool calls of drivers, which run on threads of their own. What
a transaction does from taking the category lock to its commit is one operation here: nobody
else can write meanwhile, and whoever reads meanwhile might as well have read before.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple, TypeAlias

import pytest
from psycopg.pq import TransactionStatus

from messagedb_agent.engine.jobs import Ended, Job
from messagedb_agent.errors import ClaimLostError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.wrapper import StoreWrapper

Actor: TypeAlias = Callable[[EventStore], object]

PATIENCE = 20.0


What: TypeAlias = Literal["acts", "waits for its cue", "waits for its calls", "reports", "left"]


class _News(NamedTuple):
    actor: int
    what: What
    employer: int | None = None


class _Role(NamedTuple):
    stage: Stage
    actor: int
    employer: int | None = None


_CALLS = 10
"""The numbers of a driver's calls begin at this many times its own, which counts from 1 there."""


def process_of(actor: int) -> int:
    """The driver whose actor it is."""
    return actor if actor < _CALLS else actor // _CALLS - 1


_role: contextvars.ContextVar[_Role | None] = contextvars.ContextVar("role", default=None)


class _AlwaysHeld:
    """The drivers do not see each other's lock."""

    def is_held(self) -> bool:
        return True

    def release(self) -> None:
        pass


class _Info(NamedTuple):
    transaction_status: TransactionStatus = TransactionStatus.INTRANS


class Transaction:
    """As much of a connection as the engine uses; what is done in it counts from its commit."""

    info = _Info()

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.effects: list[str] = []
        self.writes: list[tuple[str, Sequence[NewEvent]]] = []

    def execute(self, query: object, _parameters: object = None) -> Transaction:
        if "acquire_lock" in str(query):
            self._stage.wait_for_the_cue()
        return self

    def fetchone(self) -> tuple[str]:
        return ("the same",)


class Stage(StoreWrapper[EventStore]):
    """Lets its actors through to the store one operation at a time, as `choose` says."""

    def __init__(self, store: EventStore, choose: Callable[[Sequence[int]], int]) -> None:
        super().__init__(store)
        self._choose = choose
        self._news: queue.SimpleQueue[_News] = queue.SimpleQueue()
        self._gates: dict[int, threading.Semaphore] = {}
        self.errors: list[BaseException] = []
        self.effects: list[str] = []

    def play(self, actors: Sequence[Actor]) -> None:
        self._gates = {number: threading.Semaphore(0) for number in range(len(actors))}
        threads = [
            threading.Thread(target=self._act, args=(number, actor), daemon=True)
            for number, actor in enumerate(actors)
        ]
        for thread in threads:
            thread.start()
        self._direct(set(range(len(actors))))
        for thread in threads:
            thread.join(PATIENCE)

    def _direct(self, acting: set[int]) -> None:
        waiting, employing = set[int](), set[int]()
        while acting or waiting:
            while acting:
                actor, what, employer = self._news.get(timeout=PATIENCE)
                if what == "reports":
                    acting |= employing & {employer}
                    employing -= acting
                    continue
                (acting.add if what == "acts" else acting.discard)(actor)
                waiting |= {actor} if what == "waits for its cue" else set()
                employing |= {actor} if what == "waits for its calls" else set()
            if waiting:
                chosen = self._choose(sorted(waiting))
                waiting.discard(chosen)
                acting.add(chosen)
                self._gates[chosen].release()

    def _act(self, number: int, actor: Actor) -> None:
        _role.set(_Role(self, number))
        try:
            actor(self)
        except ClaimLostError:
            pass
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            self.errors.append(error)
        finally:
            self._news.put(_News(number, "left"))

    def hire(self, employer: int) -> int:
        """A new actor, for a tool call."""
        number = next(n for n in range(_CALLS * (employer + 1), 1000) if n not in self._gates)
        self._gates[number] = threading.Semaphore(0)
        self._news.put(_News(number, "acts"))
        return number

    def tell(self, actor: int, what: What, employer: int | None = None) -> None:
        self._news.put(_News(actor, what, employer))

    def wait_for_the_cue(self) -> None:
        role = _role.get()
        if role is not None:
            self._news.put(_News(role.actor, "waits for its cue"))
            self._gates[role.actor].acquire()

    def append(
        self, stream_name: str, events: Sequence[NewEvent], *, connection: Any = None, **more: Any
    ) -> tuple[RecordedEvent, ...]:
        if connection is not None:
            connection.writes.append((stream_name, events))
            return ()
        self.wait_for_the_cue()
        return super().append(stream_name, events, **more)

    def read(
        self, stream_name: str, *, connection: Any = None, **more: Any
    ) -> Iterator[RecordedEvent]:
        if connection is None:
            self.wait_for_the_cue()
        return super().read(stream_name, **more)

    def lock(self, _stream_name: str) -> _AlwaysHeld:
        return _AlwaysHeld()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        if _role.get() is None:
            with self.store.transaction() as none:
                yield none
            return
        transaction = Transaction(self)
        yield transaction
        for stream_name, events in transaction.writes:
            self.store.append(stream_name, events)
        self.effects += transaction.effects


class _StagedJob(Job):
    """A tool call that is an actor: it begins when it gets its cue."""

    def begin(self) -> None:
        super().begin()
        self._employer = _role.get()
        if self._employer is not None:
            self._actor = self._employer.stage.hire(self._employer.actor)

    def perform(self) -> None:
        if self._employer is None:
            super().perform()
            return
        stage, employer, _ = self._employer
        _role.set(_Role(stage, self._actor, employer))
        try:
            stage.wait_for_the_cue()
            super().perform()
        finally:
            stage.tell(self._actor, "left")


class _StagedQueue(queue.SimpleQueue[Any]):
    """Tells that a driver waits for its calls, so that it is their turn, and that it may go on."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        role = _role.get()
        if role is not None and self.empty():
            role.stage.tell(role.actor, "waits for its calls")
            timeout = PATIENCE
        return super().get(block, timeout)

    def put(self, item: Any, *more: Any) -> None:
        role = _role.get()
        if role is not None and role.employer is not None and isinstance(item, Ended):
            role.stage.tell(role.actor, "reports", role.employer)
        super().put(item, *more)


@pytest.fixture
def tools_on_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tool calls are actors, too."""
    monkeypatch.setattr("messagedb_agent.engine.threads.Job", _StagedJob)
    queues = SimpleNamespace(SimpleQueue=_StagedQueue, Empty=queue.Empty)
    monkeypatch.setattr("messagedb_agent.engine.threads.queue", queues)


class Search:
    """Goes through all sequences of choices, depth first, at most so many of them unforced."""

    def __init__(self, switches: int) -> None:
        self._switches = switches
        self._plan: list[int] = []
        self._taken: list[tuple[int, int]] = []

    def orders(self) -> Iterator[Callable[[Sequence[int]], int]]:
        while True:
            self._taken, self._left, self._last = [], self._switches, -1
            yield self._choose
            while self._taken and self._taken[-1][0] + 1 == self._taken[-1][1]:
                self._taken.pop()
            if not self._taken:
                return
            self._plan = [choice for choice, _ in self._taken]
            self._plan[-1] += 1

    def _choose(self, waiting: Sequence[int]) -> int:
        # Going on with the same actor, or at least in the same process, comes first; leaving a
        # process that could go on is a switch.
        here = process_of(self._last)
        options = sorted(
            waiting, key=lambda actor: (actor != self._last, process_of(actor) != here, actor)
        )
        goes_on = [actor for actor in options if process_of(actor) == here]
        if goes_on and not self._left:
            options = goes_on
        place = len(self._taken)
        choice = self._plan[place] if place < len(self._plan) else 0
        self._taken.append((choice, len(options)))
        if goes_on and options[choice] not in goes_on:
            self._left -= 1
        self._last = options[choice]
        return self._last
