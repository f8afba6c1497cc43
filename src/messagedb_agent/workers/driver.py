"""Drives threads for a worker: one call drives one thread as far as it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import msgspec

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.live import Announcer
from messagedb_agent.engine.recorder import Annotate, Observer, no_annotations
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import (
    AgentError,
    ClaimLostError,
    RunHandedOverError,
    ThreadBusyError,
)
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.workers.limits import Limit, NoSlotError, slots
from messagedb_agent.workers.queue import hint, transact

BUSY_SECONDS = 2.0
"""When to look again at a thread that somebody else drives."""

NO_SLOT_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 60.0

AgentFor = Callable[[ThreadState], Agent]
"""Gives the agent that drives a thread."""


class Observed(Protocol):
    """Lets others see one drive of one thread: `driving` gives what an `AgentThread` takes."""

    def begin(self) -> None:
        """From here on events are new, not history."""
        ...

    def driving(self) -> AbstractContextManager[tuple[tuple[Observer, ...], Annotate]]:
        """Observers and an annotation, for as long as the thread is open."""
        ...


class Unobserved:
    """Nobody looks on."""

    def begin(self) -> None:
        """Nothing to begin."""

    def driving(self) -> AbstractContextManager[tuple[tuple[Observer, ...], Annotate]]:
        """Nothing to add."""
        return nullcontext(((), no_annotations))


Observe = Callable[[str], AbstractContextManager[Observed]]
"""Observes a thread, given by its id, while a block runs."""


class Again(msgspec.Struct, frozen=True):
    """The thread has to be looked at again after `delay` seconds; `tries` attempts failed."""

    delay: float = 0.0
    tries: int = 0


class Driver:
    """
    Drives threads, each call on a thread of its own.

    `complain` takes lines for the operator. After `leave` nothing new is driven, and what is
    being driven stops before its next step.
    """

    def __init__(
        self,
        store: MessageDBClient,
        agent_for: AgentFor,
        *,
        limits: Sequence[Limit] = (),
        announcer: Announcer | None = None,
        observe: Observe = lambda _thread_id: nullcontext(Unobserved()),
        complain: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._store = store
        self._agent_for = agent_for
        self._limits = tuple(limits)
        self._announcer = announcer or Announcer(store)
        self._observe = observe
        self._complain = complain
        self._mutex = threading.Lock()
        self._threads: set[AgentThread] = set()
        self._leaving = False

    def leave(self) -> None:
        """Hand all threads over, each before its next step."""
        with self._mutex:
            self._leaving = True
            for thread in self._threads:
                thread.hand_over()

    def drive(self, stream_name: str, tries: int = 0) -> None:
        """Drive a thread; when something is left to do, the queue is told so."""
        again = self._attempt(stream_name, tries)
        if again is not None:
            transact(
                self._store,
                lambda connection: hint(
                    connection, stream_name, delay=again.delay, tries=again.tries
                ),
            )

    def _attempt(self, stream_name: str, tries: int) -> Again | None:
        try:
            self._run(stream_name)
        except RunHandedOverError:
            return Again()
        except (ThreadBusyError, ClaimLostError):
            return Again(BUSY_SECONDS)
        except NoSlotError:
            return Again(NO_SLOT_SECONDS)
        except Exception as error:  # noqa: BLE001 - one thread's trouble must not end the worker
            delay = min(2.0**tries, LONGEST_BACKOFF_SECONDS)
            reason = str(error) if isinstance(error, AgentError) else repr(error)
            self._complain(f"{stream_name}: {reason}; trying again in {delay:.0f} s")
            return Again(delay, min(tries + 1, 10))
        return None

    def _run(self, stream_name: str) -> None:
        voice, name = self._announcer.voice(stream_name), parse_stream_name(stream_name)
        with (
            self._observe(name.thread_id) as observed,
            observed.driving() as (observers, annotate),
            AgentThread(
                self._store,
                stream_name,
                observers=(*observers, voice.on_event),
                on_delta=voice.on_delta,
                annotate=annotate,
            ) as thread,
            self._driving(thread),
        ):
            agent = self._agent_for(thread.state)
            with slots(self._store, self._limits, agent.llm.model_name, name.category):
                observed.begin()
                voice.begin()
                thread.run(agent)

    @contextmanager
    def _driving(self, thread: AgentThread) -> Iterator[None]:
        with self._mutex:
            self._threads.add(thread)
            if self._leaving:
                thread.hand_over()
        try:
            yield
        finally:
            with self._mutex:
                self._threads.discard(thread)
