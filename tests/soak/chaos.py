"""Many threads on a few workers to which all sorts of things happen; and what came of it."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from messagedb_agent.engine.session import start_session
from messagedb_agent.events import LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import generate_thread_id
from messagedb_agent.workers.queue import QueueingStore
from tests.soak.checks import begun_twice, what_is_wrong, wrong_turn
from tests.soak.fleet import Fleet, Orphan
from tests.soak.harness import bookings
from tests.soak.nursery import Notes
from tests.soak.worker import SHAPES

RESCUED_WITHIN_SECONDS = 15.0
FIRST_FREEZE_SECONDS = 3.0
REST_SECONDS = 5.0
LEFT_SECONDS = 30.0
_A_COMMIT_SECONDS = 0.3
_ANSWERED = """
    SELECT count(*) FROM message_store.messages
    WHERE message_store.category(stream_name) = 'agent:v0' AND type = 'LLMResponseReceived'
        AND data ->> 'response_text' = 'done'
"""
_LEFT = "SELECT count(*) FROM agent_queue.procrastinate_jobs"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """
    How much of what; times are in seconds.

    Half of the threads begin at once, the others one by one over `spread`, so that workers are
    both overrun and idle. Workers that are `polite` are told to leave instead of being killed. One
    is frozen for `stop`, if that is not 0. The server is restarted after `restart_after`.
    """

    workers: int
    threads: int
    kill_every: float
    stop: float
    seed: int
    concurrency: int = 10
    connections: int = 4
    model_seconds: float = 1.0
    spread: float = 40.0
    patience: float = 600.0
    restart_after: float | None = None
    polite: bool = False


class Report(msgspec.Struct):
    """What was found; nothing in `findings` is as it should be."""

    findings: list[str]
    rescues: list[tuple[float, str]]
    kills: int
    seconds: float


class Chaos:
    """One run of a plan."""

    def __init__(
        self,
        client: MessageDBClient,
        dsn: str,
        folder: Path,
        plan: Plan,
        restart: Callable[[], None] = lambda: None,
    ) -> None:
        self._client, self._dsn, self._folder, self._plan = client, dsn, folder, plan
        self._restart = restart
        self._dice = random.Random(plan.seed)
        self._shapes: dict[str, int] = {}
        self._over = threading.Event()

    def run(self) -> Report:
        """Begin the threads, make trouble until all is answered, and look at every thread."""
        plan, began = self._plan, time.monotonic()
        fleet = self._fleet()
        try:
            _await(lambda: fleet.said().count("ready") >= plan.workers, 60.0)
            with self._meanwhile(self._talk), self._meanwhile(lambda: self._trouble(fleet)):
                answered = _await(self._is_answered, plan.patience)
                seconds = time.monotonic() - began
                if plan.stop:
                    self._over.wait(FIRST_FREEZE_SECONDS + plan.stop + REST_SECONDS - seconds)
            fleet.thaw()
            findings = [] if answered else ["not all threads are answered"]
            if not _await(lambda: not self._count(_LEFT), LEFT_SECONDS):
                findings.append("jobs are left")
            findings += fleet.leave()
        finally:
            self._over.set()
            fleet.end()
        findings += [line for thread_id in self._shapes for line in self._look_at(thread_id)]
        rescues = [self._rescue(orphan, fleet) for orphan in fleet.orphans]
        known = sorted(rescue for rescue in rescues if rescue is not None)
        return Report(findings, known[::-1], fleet.kills, seconds)

    def _fleet(self) -> Fleet:
        plan = self._plan
        arguments = str(plan.concurrency), str(plan.connections), str(plan.model_seconds)
        return Fleet(self._client, self._dsn, self._folder, plan.workers, *arguments)

    def _talk(self) -> None:
        plan, store = self._plan, QueueingStore(self._client)
        for number in range(plan.threads):
            thread_id, shape = generate_thread_id(), number % len(SHAPES)
            start_session(store, f"{shape} {thread_id}", thread_id=thread_id)
            self._shapes[thread_id] = shape
            pause = 0.0 if number < plan.threads // 2 else 2 * plan.spread / plan.threads
            if self._over.wait(pause):
                return

    def _trouble(self, fleet: Fleet) -> None:
        plan, began = self._plan, time.monotonic()
        events: list[tuple[float, Callable[[], None]]] = []
        if plan.stop:
            victim = self._dice.randrange(plan.workers)
            events.append((FIRST_FREEZE_SECONDS, lambda: fleet.freeze(victim)))
            events.append((FIRST_FREEZE_SECONDS + plan.stop, fleet.thaw))
        if plan.restart_after is not None:
            events.append((plan.restart_after, self._restart))
        events.sort(key=lambda event: event[0])
        kill_at = plan.kill_every
        while not self._over.is_set():
            due = min([kill_at, *(at for at, _ in events[:1])])
            if self._over.wait(max(0.0, began + due - time.monotonic())):
                return
            if events and events[0][0] == due:
                events.pop(0)[1]()
            else:
                how = signal.SIGTERM if plan.polite else signal.SIGKILL
                fleet.replace(self._dice.randrange(plan.workers), how)
                kill_at += plan.kill_every

    def _is_answered(self) -> bool:
        return self._count(_ANSWERED) >= self._plan.threads

    def _count(self, query: str) -> int:
        return self._client.query(
            lambda connection: (connection.execute(query.encode()).fetchone() or (0,))[0]
        )

    def _look_at(self, thread_id: str) -> Iterator[str]:
        stream, shape = f"agent:v0-{thread_id}", SHAPES[self._shapes[thread_id]]
        history = list(self._client.read(stream))
        notes = Notes(self._folder, thread_id).all()
        calls = sum(map(len, shape))
        wrong = what_is_wrong(history, notes, bookings(self._client, thread_id), calls)
        wrong += wrong_turn(history, len(shape) + 1)
        if self._plan.polite and not self._plan.stop:
            wrong += begun_twice(history)
        for text in wrong:
            yield f"{stream}: {text}"

    def _rescue(self, orphan: Orphan, fleet: Fleet) -> tuple[float, str] | None:
        """How long a thread waited; None if it had ended, or its rescuer may have died."""
        history = list(self._client.read(orphan.stream_name))
        # What the server had been sent by the dead one is no rescue.
        waits = [_seconds(record, orphan.since) for record in history]
        before = [r for r, wait in zip(history, waits, strict=True) if wait <= _A_COMMIT_SECONDS]
        after = [wait for wait in waits if wait > _A_COMMIT_SECONDS]
        if _is_last(before) or not after:
            return None
        rescued = orphan.since + timedelta(seconds=min(after))
        again = [it.since for it in fleet.orphans if it.stream_name == orphan.stream_name]
        if any(orphan.since < at < rescued for at in (*again, *fleet.unseen)):
            return None
        return min(after), f"{orphan.how} {orphan.stream_name}"

    @contextmanager
    def _meanwhile(self, work: Callable[[], None]) -> Iterator[None]:
        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def _seconds(record: RecordedEvent, since: datetime) -> float:
    return (record.time.replace(tzinfo=UTC) - since).total_seconds()


def _is_last(records: Sequence[RecordedEvent]) -> bool:
    last = records[-1].event if records else None
    return isinstance(last, LLMResponseReceived) and not last.tool_calls


def _await(happens: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True
