"""Tool calls on threads: at the same time, within bounds, and never waited for too long."""

from __future__ import annotations

import contextvars
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, Self

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.engine.jobs import Broken, Ended, Finished, Job
from messagedb_agent.engine.limits import Allowance

POLL_SECONDS = 0.2
"""How late a stopped run or a job whose time is over may be noticed."""

_MAX_IDLE = 16


class _Worker:
    """A daemon thread that does one piece of work after the other; starting one takes time."""

    _idle: ClassVar[list[_Worker]] = []

    def __init__(self) -> None:
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="tool", daemon=True).start()

    @classmethod
    def take(cls) -> _Worker:
        try:
            return cls._idle.pop()
        except IndexError:
            return cls()

    def start(self, work: Callable[[], None]) -> None:
        self._inbox.put(work)

    def _run(self) -> None:
        while True:
            self._inbox.get()()
            if len(self._idle) >= _MAX_IDLE:
                return
            self._idle.append(self)


def start(work: Callable[[], None]) -> None:
    """Do the work on a daemon thread."""
    _Worker.take().start(work)


class ToolThreads:
    """
    Runs jobs on daemon threads, at most `bound` at once.

    Python can't end a thread. A job that ignores its cancellation is left to itself when
    its time is up: its result is dropped and its thread does not keep the process alive.
    """

    def __init__(self, bound: int, stopped: Cancellation) -> None:
        self._bound = bound
        self._stopped = stopped
        self._waiting: deque[Job] = deque()
        self._running: dict[int, Job] = {}
        self._ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._waiting.clear()
        committing = {job.key for job in self._running.values() if not job.abandon()}
        # What is decided about their calls now would only be in the way of their outcomes.
        while committing:
            committing.discard(self._ended.get().key)

    def submit(
        self, key: int, work: Callable[[Job], Any], allowance: Callable[[], Allowance]
    ) -> None:
        """Start a job, or queue it behind others; its time counts from when it begins."""
        self._waiting.append(Job(key, work, allowance, self._stopped, self._ended.put))
        self._fill()

    @property
    def left(self) -> int:
        """How many jobs are still to be told about."""
        return len(self._running) + len(self._waiting)

    def finished(self) -> Iterator[Finished]:
        """Each job as it ends, in the order in which they end."""
        while self._running:
            if ended := self._next():
                yield ended

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._bound:
            job = self._waiting.popleft()
            job.begin()
            self._running[job.key] = job
            # So that what a tool logs says which thread and run it is about.
            start(partial(contextvars.copy_context().run, job.perform))

    def _next(self) -> Finished | None:
        first = min(job.seconds_left for job in self._running.values())
        try:
            ended = self._ended.get(timeout=min(POLL_SECONDS, max(0.0, first)))
        except queue.Empty:
            for job in self._running.values():
                job.expire()
            return None
        del self._running[ended.key]
        if isinstance(ended, Broken):
            raise ended.error
        self._fill()
        return ended
