"""A thread in the hands of one process: say something, run, and see how far it got."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, Self

import msgspec

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.fencing import takes_messages
from messagedb_agent.engine.loop import Loop
from messagedb_agent.engine.recorder import Annotate, Observer, Recorder, no_annotations
from messagedb_agent.engine.steps.base import Step, Yielded
from messagedb_agent.engine.steps.llm import ModelMemory
from messagedb_agent.engine.watch import Watch
from messagedb_agent.errors import (
    ClaimLostError,
    RunHandedOverError,
    RunStoppedError,
    ThreadBusyError,
    ThreadEndedError,
)
from messagedb_agent.events.base import Event, JSONObject
from messagedb_agent.events.system import SessionStarted
from messagedb_agent.events.user import TurnResumed, UserMessageAdded
from messagedb_agent.llm.base import Delta, ignore_delta
from messagedb_agent.projections.interruption import interruption
from messagedb_agent.projections.messages import AssistantMessage
from messagedb_agent.projections.next_step import StopReason
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.base import EventStore, ThreadLock
from messagedb_agent.store.stream import parse_stream_name

RELOCK_TRIES = 10
RELOCK_PAUSE_SECONDS = 0.3


class RunResult(msgspec.Struct, frozen=True):
    """
    Where a run stopped, and the state of the thread there.

    `problem` is what somebody found wrong with the answer, if anything.
    """

    stop: StopReason
    state: ThreadState
    problem: str | None = None

    @property
    def response(self) -> str | None:
        """The text of the last answer, or None when there is none to the last message."""
        for message in reversed(self.state.context.messages):
            if isinstance(message, AssistantMessage):
                return message.text
            break
        return None

    @property
    def error(self) -> str | None:
        """What went wrong, in one line, when something did."""
        if self.problem is not None:
            return self.problem
        failure = self.state.turn.failure
        return failure.error_message if self.stop == "failed" and failure else None

    @property
    def pending(self) -> tuple[CallState, ...]:
        """The tool calls that wait for a person."""
        return self.state.calls.pending


class AgentThread:
    """
    Drives one thread; while it is open no other process does.

    Use as a context manager. Entering takes the thread's lock and reads its stream; raises
    `ThreadBusyError` when another process drives it.
    """

    def __init__(
        self,
        store: EventStore,
        stream_name: str,
        *,
        observers: Sequence[Observer] = (),
        on_delta: Callable[[Delta], None] = ignore_delta,
        annotate: Annotate = no_annotations,
    ) -> None:
        self.stream_name = stream_name
        self.thread_id = parse_stream_name(stream_name).thread_id
        self.cancelled = threading.Event()
        self.on_delta = on_delta
        self._recorder = Recorder(store, stream_name, observers, annotate)
        self._memory = ModelMemory()
        self._contents = Contents(store)
        self._loop: Loop | None = None
        self._began = 0.0
        self._store = store
        self._lock: ThreadLock | None = None
        self._exits = ExitStack()
        self._acting = False
        self._handed_over = False
        self._watch = Watch(store, stream_name, self._watched_version, self.cancelled.set)

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _watched_version(self) -> int | None:
        return self._recorder.version if self._acting else None

    def __enter__(self) -> Self:
        self._lock = self._store.lock(self.stream_name)
        self._exits.callback(self._release)
        with self._exits.pop_all() as exits:
            self._recorder.open()
            self._exits = exits.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._exits.close()

    def _release(self) -> None:
        self._watch.close()
        if self._lock is not None:
            self._lock.release()

    @property
    def state(self) -> ThreadState:
        """The thread as this process knows it."""
        return self._recorder.state

    def advance(self, step: Step, state: ThreadState | None) -> Yielded:
        """Let a step act; see `interrupt`."""
        self._acting = True
        self._watch.start()
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
                agent.deciders(self._elapsed),
                self._store,
                self._recorder,
                self,
                self._memory,
                self._contents,
            )
        self._began = time.monotonic()
        try:
            stop = self._loop.run().reason
            self._recorder.keep_snapshot()
        except (KeyboardInterrupt, RunStoppedError):
            self._record_interruption()
            stop = "interrupted"
        except (ThreadBusyError, ClaimLostError, RunHandedOverError):
            # Another process goes on with the thread; what happened here must still get there.
            self._recorder.settle()
            raise
        finally:
            self.cancelled.clear()
        return RunResult(stop, self._recorder.state)

    def _record_interruption(self) -> None:
        self._recorder.settle()
        events = interruption(self._recorder.state)
        if events:
            self._recorder.conclude(events, lambda _state: True)
            self._recorder.flush()


def user_message(message: str, content: tuple[JSONObject, ...] | None = None) -> UserMessageAdded:
    """The event of somebody writing this now."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return UserMessageAdded(message=message, timestamp=now, content=content)
