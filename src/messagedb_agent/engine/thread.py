"""A thread in the hands of one process: say something, run, and see how far it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.fencing import takes_messages
from messagedb_agent.engine.loop import Loop
from messagedb_agent.engine.recorder import Annotate, Observer, Recorder, no_annotations
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.run_identity import RunIdentity
from messagedb_agent.engine.said import user_message
from messagedb_agent.engine.steps.base import RunMark, Step, Yielded
from messagedb_agent.engine.watch import Watch, Watched
from messagedb_agent.errors import (
    ClaimLostError,
    RunDeferredError,
    RunHandedOverError,
    RunStoppedError,
    ThreadBusyError,
    ThreadEndedError,
)
from messagedb_agent.events.base import Event, JSONObject
from messagedb_agent.events.system import SessionStarted
from messagedb_agent.events.user import TurnResumed
from messagedb_agent.llm.base import Delta, ignore_delta
from messagedb_agent.projections.interruption import interruption
from messagedb_agent.projections.next_step import StopReason
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.timers import is_overdue, time_events
from messagedb_agent.store.base import EventStore, ThreadLock
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tools.base import ToolProgress, ignore_progress

RELOCK_TRIES = 10
RELOCK_PAUSE_SECONDS = 0.3


class AgentThread:
    """
    Drives one thread; while it is open no other process does.

    Use as a context manager. Entering takes the thread's lock and reads its stream; raises
    `ThreadBusyError` when another process drives it. With `defers` a run does not sleep
    until another attempt is due but ends with `RunDeferredError`. Whoever drives many threads
    gives them one `watch`.
    """

    def __init__(
        self,
        store: EventStore,
        stream_name: str,
        *,
        observers: Sequence[Observer] = (),
        on_delta: Callable[[Delta], None] = ignore_delta,
        on_progress: Callable[[ToolProgress], None] = ignore_progress,
        annotate: Annotate = no_annotations,
        defers: bool = False,
        watch: Watch | None = None,
    ) -> None:
        self.stream_name = stream_name
        self.thread_id = parse_stream_name(stream_name).thread_id
        self.cancelled = threading.Event()
        self.on_delta, self.on_progress = on_delta, on_progress
        self._recorder = Recorder(store, stream_name, observers, annotate)
        self._contents = Contents(store)
        self._loop: Loop | None = None
        self._began = 0.0
        self._store = store
        self._lock: ThreadLock | None = None
        self._exits = ExitStack()
        self._acting = False
        self._handed_over = False
        self._defers = defers
        self._identity = RunIdentity(utc_now)
        self._watch = watch or Watch(store)
        self._watched = Watched(
            stream_name, self._watched_version, self._is_overdue, self.cancelled.set
        )

    def elapsed(self) -> float:
        """How long the run has been going on, in seconds."""
        return time.monotonic() - self._began

    def _watched_version(self) -> int | None:
        return self._recorder.version if self._acting else None

    def _is_overdue(self) -> bool:
        return is_overdue(self._recorder.state, utc_now())

    def __enter__(self) -> Self:
        self._lock = self._store.lock(self.stream_name)
        self._exits.callback(self._release)
        with self._exits.pop_all() as exits:
            self._recorder.open()
            self._contents = Contents(self._store, self._recorder.memory.references)
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._exits.close()

    def _release(self) -> None:
        self._watch.remove(self._watched)
        self._recorder.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def state(self) -> ThreadState:
        """The thread as this process knows it."""
        return self._recorder.state

    @property
    def run_id(self) -> str:
        """The run that goes on, or the one that will begin with the next claim."""
        return self._identity.run_id(self.state.run)

    def mark(self) -> RunMark:
        """See `Surroundings`."""
        assert self._loop is not None, "steps are part of a loop"
        return self._identity.mark(self.state.run, self._loop.agent.run_timeout)

    def pause(self, seconds: float) -> None:
        """See `Surroundings`."""
        if self._defers:
            raise RunDeferredError(f"{self.stream_name}: another attempt is not due yet", seconds)
        self.cancelled.wait(seconds)

    def advance(self, step: Step, state: ThreadState | None) -> Yielded:
        """Let a step act; see `interrupt`."""
        self._acting = True
        try:
            return step.send(state)
        finally:
            self._acting = False

    def interrupt(self) -> bool:
        """
        Ask the run to stop; True when it is inside a step, which a KeyboardInterrupt may break.

        Outside of steps the engine is writing down what happened. It is not to be broken
        there, and stops by itself before the next claim.
        """
        self.cancelled.set()
        return self._acting

    def hand_over(self) -> None:
        """
        Let the run end with `RunHandedOverError` before its next claim.

        No event tells of it: a step that is running gets its outcome, and whoever drives the
        thread next goes on from there.
        """
        self._handed_over = True

    def keep_going(self) -> None:
        """Raise unless this run may still make claims."""
        if self._handed_over:
            raise RunHandedOverError(f"{self.stream_name}: this process is about to leave")
        if self.cancelled.is_set():
            raise RunStoppedError(f"{self.stream_name}: the run was interrupted")
        assert self._lock is not None, "the thread is not open"
        if not self._lock.is_held():
            # Its connection broke. Whoever drove the thread meanwhile has left events, and
            # the claim about to be made will find that the stream has moved on.
            self._lock = self._relock()

    def _relock(self) -> ThreadLock:
        """Take the lock again; the server may need a moment to see that the old session died."""
        for _ in range(RELOCK_TRIES):
            try:
                return self._store.lock(self.stream_name)
            except ThreadBusyError:
                self.cancelled.wait(RELOCK_PAUSE_SECONDS)
        return self._store.lock(self.stream_name)

    def start(
        self,
        message: str | None,
        *,
        content: tuple[JSONObject, ...] | None = None,
        initial_context: Any = None,
    ) -> None:
        """Begin a new thread; with a message, both are recorded in one transaction."""
        opening: list[Event] = [
            SessionStarted(thread_id=self.thread_id, initial_context=initial_context)
        ]
        if message is not None:
            opening.append(user_message(message, content))
        self._recorder.conclude(opening, lambda state: state.session.status == "new")

    def send(self, message: str, content: tuple[JSONObject, ...] | None = None) -> None:
        """Add a user message; it is committed by the next `run` or `commit`."""
        if not takes_messages(self.state):
            raise ThreadEndedError(f"thread {self.thread_id} has ended; `--reopen` reopens it")
        self._recorder.conclude((user_message(message, content),), takes_messages)

    def resume(self) -> None:
        """Let a turn go on that failed, was interrupted or met a limit."""
        if self._is_overdue():
            # Else the run would only be ended now, and there would be nothing to resume.
            self._recorder.intend(time_events(self.state, utc_now()))
            self._recorder.flush()
        if self.state.turn.halted:
            self._recorder.conclude((TurnResumed(),), lambda _state: True)

    def commit(self) -> None:
        """Write down what was added, without doing anything else."""
        self._recorder.flush()

    def catch_up(self) -> None:
        """Take in what others appended."""
        self._recorder.catch_up()

    def run(self, agent: Agent) -> RunResult:
        """Drive the thread until it needs nothing more, or somebody."""
        if self._loop is None or self._loop.agent is not agent:
            self._loop = Loop(
                agent,
                agent.deciders(self.elapsed),
                self._store,
                self._recorder,
                self,
                self._recorder.memory,
                self._contents,
            )
        self._began = time.monotonic()
        self._watch.add(self._watched)
        try:
            stop = self._run_to_its_end(self._loop)
        except (ThreadBusyError, ClaimLostError, RunHandedOverError, RunDeferredError):
            # Another process goes on with the thread; what happened here must still get there.
            self._recorder.settle()
            raise
        finally:
            self.cancelled.clear()
        return RunResult(stop, self._recorder.state)

    def _run_to_its_end(self, loop: Loop) -> StopReason:
        while True:
            try:
                stop = loop.run().reason
            except (KeyboardInterrupt, RunStoppedError):
                if not self._is_overdue():
                    self._record_interruption()
                    return "interrupted"
                # Its time is over, which is decided like anything else.
                self._recorder.settle()
                self.cancelled.clear()
            else:
                self._recorder.keep_snapshot()
                return stop

    def _record_interruption(self) -> None:
        self._recorder.settle()
        try:
            self._interrupt_what_is_open()
        except ClaimLostError:
            # Another process goes on, and what is open has changed: nothing gets two outcomes.
            self._interrupt_what_is_open()

    def _interrupt_what_is_open(self) -> None:
        state = self._recorder.state
        events = () if state.turn.halted else interruption(state)
        if events:
            self._recorder.conclude(events, lambda newest: interruption(newest) == events)
            self._recorder.flush()
