"""Drives threads for a worker: one call drives one thread as far as it goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.live import Announcer
from messagedb_agent.engine.observing import observed
from messagedb_agent.engine.settle import PATIENCE, settle_late
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.watch import Watch
from messagedb_agent.errors import (
    AgentError,
    ClaimLostError,
    RunDeferredError,
    RunHandedOverError,
    ThreadArchivedError,
    ThreadBusyError,
)
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.timers import next_due
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.shards import whole
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.workers.limits import Limit, NoSlotError, offer, slots
from messagedb_agent.workers.queue import hint, hint_first, remind, transact, wait_for_slot

if TYPE_CHECKING:
    from messagedb_agent.observability.telemetry import Telemetry

BUSY_SECONDS = 2.0
"""When to look again at a thread that somebody else drives."""

NO_SLOT_SECONDS = 30.0
"""When to look again for a slot that nobody has told of: whoever gave it back died just then."""

LONGEST_BACKOFF_SECONDS = 60.0

AgentFor = Callable[[ThreadState], Agent]
"""Gives the agent that drives a thread."""


class Again(msgspec.Struct, frozen=True):
    """
    The thread has to be looked at again after `delay` seconds; `tries` attempts failed.

    Before others if it is `begun`; sooner if it waits for a slot of `limit`, and there is one.
    """

    delay: float = 0.0
    tries: int = 0
    begun: bool = False
    limit: Limit | None = None


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
        telemetry: Telemetry | None = None,
        complain: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._store = store
        self._agent_for = agent_for
        self._limits = tuple(limits)
        self._announcer = announcer or Announcer(store)
        self._telemetry = telemetry
        self._watch = Watch(store)
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

    def drive(self, stream_name: str, tries: int = 0, waits_since: float | None = None) -> None:
        """
        Drive a thread; when something is left to do, the queue is told so.

        `waits_since` is what the queue says of a thread that has waited for a slot.
        """
        again = self._attempt(stream_name, tries, self._run)
        if again is None:
            return

        def leave_behind(connection: psycopg.Connection[Any]) -> None:
            if again.begun:
                hint_first(connection, stream_name)
            elif again.limit is not None:
                pattern = again.limit.pattern
                wait_for_slot(connection, stream_name, pattern, waits_since, again.delay)
            else:
                hint(connection, stream_name, delay=again.delay, tries=again.tries)

        transact(self._store, leave_behind)
        if again.limit is not None:
            # What was given back before the queue knew that this thread waits, and what it was
            # woken for and could not use for want of another limit's slot.
            offer(self._store, self._limits)

    def keep_time(self, stream_name: str) -> None:
        """Write down what time has decided about a thread that is not for workers to drive."""
        again = self._attempt(stream_name, 0, self._settle)
        if again is not None:
            delay = again.delay + PATIENCE.total_seconds()
            transact(self._store, lambda connection: remind(connection, stream_name, delay))

    def _attempt(
        self, stream_name: str, tries: int, work: Callable[[str], ThreadState]
    ) -> Again | None:
        try:
            return _when_due(work(stream_name))
        except RunDeferredError as deferred:
            return Again(deferred.seconds)
        except RunHandedOverError:
            return Again(begun=True)
        except (ThreadBusyError, ClaimLostError):
            return Again(BUSY_SECONDS)
        except NoSlotError as used_up:
            return Again(NO_SLOT_SECONDS, limit=used_up.limit)
        except ThreadArchivedError as archived:
            # Somebody wanted it so, whatever it was that the thread still had to do.
            self._complain(str(archived))
            return None
        except Exception as error:  # noqa: BLE001 - one thread's trouble must not end the worker
            delay = min(2.0**tries, LONGEST_BACKOFF_SECONDS)
            reason = str(error) if isinstance(error, AgentError) else repr(error)
            self._complain(f"{stream_name}: {reason}; trying again in {delay:.0f} s")
            return Again(delay, min(tries + 1, 10))

    def _settle(self, stream_name: str) -> ThreadState:
        return settle_late(self._store, stream_name)

    def _run(self, stream_name: str) -> ThreadState:
        voice = self._announcer.voice(stream_name)
        name = parse_stream_name(stream_name)
        with (
            observed(name.thread_id, self._telemetry) as observation,
            observation.driving() as (observers, annotate),
            AgentThread(
                self._store,
                stream_name,
                observers=(*observers, voice.on_event),
                on_delta=voice.on_delta,
                on_progress=voice.on_progress,
                annotate=annotate,
                defers=True,
                watch=self._watch,
            ) as thread,
            self._driving(thread),
        ):
            agent = self._agent_for(thread.state)
            category = parse_stream_name(whole(stream_name)).category
            with slots(self._store, self._limits, agent.llm.model_name, category):
                voice.begin()
                observation.begin(thread.run_id)
                return thread.run(agent).state

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


def _when_due(state: ThreadState) -> Again | None:
    due = next_due(state)
    return None if due is None else Again(max(0.0, (due - utc_now()).total_seconds()))
