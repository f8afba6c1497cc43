"""Tool calls on threads: at the same time, within bounds, and never waited for too long."""

from __future__ import annotations

import contextvars
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, ClassVar, Self

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ToolError

Work = Callable[[threading.Event], Any]
"""Does the job; the event tells it that nobody waits any more."""

CANCEL_GRACE_SECONDS = 0.5
_POLL_SECONDS = 0.2
_MAX_IDLE = 16


class Finished(msgspec.Struct, frozen=True):
    """How one job ended: a result, or the error that the model reads."""

    key: int
    result: Any
    error: ToolError | None
    seconds: float
    error_type: str | None = None


class _Job(msgspec.Struct):
    key: int
    work: Work
    timeout: float | None
    cancelled: threading.Event
    began: float = 0.0

    def deadline(self) -> float:
        return float("inf") if self.timeout is None else self.began + self.timeout


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


def _start(work: Callable[[], None]) -> None:
    _Worker.take().start(work)


class ToolThreads:
    """
    Runs jobs on daemon threads, at most `bound` at once.

    Python can't end a thread. A job that ignores its cancellation is left to itself when
    its time is up: its result is dropped and its thread does not keep the process alive.
    """

    def __init__(self, bound: int, cancelled: Cancellation) -> None:
        self._bound = bound
        self._cancelled = cancelled
        self._waiting: deque[_Job] = deque()
        self._running: dict[int, _Job] = {}
        self._done: queue.SimpleQueue[Finished | tuple[int, BaseException]] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._waiting.clear()
        for job in self._running.values():
            job.cancelled.set()

    def submit(self, key: int, work: Work, timeout: float | None) -> None:
        """Start a job, or queue it behind others."""
        self._waiting.append(_Job(key, work, timeout, threading.Event()))
        self._fill()

    @property
    def left(self) -> int:
        """How many jobs are still to be told about."""
        return len(self._running) + len(self._waiting)

    def ready(self) -> Iterator[Finished]:
        """The jobs that have ended by now."""
        while self._running and (done := self._next(patience=0.0)):
            yield done

    def finished(self) -> Iterator[Finished]:
        """Each job as it ends, in the order in which they end."""
        while self._running:
            if done := self._next(_POLL_SECONDS):
                yield done

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._bound:
            job = self._waiting.popleft()
            job.began = time.monotonic()
            self._running[job.key] = job
            # So that what a tool logs says which thread and run it is about.
            context = contextvars.copy_context()
            _start(partial(context.run, self._perform, job))

    def _perform(self, job: _Job) -> None:
        try:
            result, error = job.work(job.cancelled), None
        except ToolError as raised:
            result, error = None, raised
        except BaseException as raised:  # noqa: BLE001 - it belongs to the engine's thread and is raised there
            self._done.put((job.key, raised))
            return
        self._done.put(Finished(job.key, result, error, time.monotonic() - job.began))

    def _next(self, patience: float) -> Finished | None:
        done = self._await(patience)
        self._fill()
        return done

    def _await(self, patience: float) -> Finished | None:
        first = min(self._running.values(), key=_Job.deadline)
        wait = min(patience, max(0.0, first.deadline() - time.monotonic()))
        try:
            done = self._done.get(timeout=wait)
        except queue.Empty:
            if self._cancelled.is_set():
                return self._give_up(first, "This tool call was interrupted.", "interrupted")
            if time.monotonic() >= first.deadline():
                text = f"The tool did not finish within {first.timeout:g} seconds."
                return self._give_up(first, text, "timeout")
            return None
        if isinstance(done, tuple):
            raise done[1]
        # A job that was given up may still report; nobody asks for it any more.
        return done if self._running.pop(done.key, None) else None

    def _give_up(self, job: _Job, text: str, error_type: str) -> Finished:
        job.cancelled.set()
        del self._running[job.key]
        seconds = time.monotonic() - job.began
        return Finished(job.key, None, ToolError(text), seconds, error_type)
