"""What a step is."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, TypeAlias

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.engine.fencing import Stands
from messagedb_agent.events.base import Event
from messagedb_agent.llm.base import Delta
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.tools.base import ToolProgress


class Claim(msgspec.Struct, frozen=True):
    """The step is about to act. It goes on only once this is committed."""

    events: tuple[Event, ...]


class Outcome(msgspec.Struct, frozen=True):
    """
    What came of it, recorded if `stands` still says so.

    `more` tells that the step has further outcomes to wait for, so that this one is
    committed at once.
    """

    events: tuple[Event, ...]
    stands: Stands
    more: bool = False


class Committed(msgspec.Struct, frozen=True):
    """The step has recorded an outcome itself, which is in the stream and can be read."""


Yielded: TypeAlias = Claim | Outcome | Committed

Step: TypeAlias = Generator[Yielded, ThreadState | None, None]
"""
Does one piece of work and yields what happened, in order.

The engine records what is yielded before it resumes the step, and sends it the state after
that. So a step writes ahead by yielding before it acts, and it never sees the store.
"""


class RunMark(msgspec.Struct, frozen=True):
    """What a claim says about the run that makes it; see `LLMCallRequested`."""

    run_id: str
    run_timeout: float | None = None
    run_deadline: str | None = None


class Surroundings(Protocol):
    """What a step may know and use of the run it is part of."""

    @property
    def thread_id(self) -> str:
        """The thread that is driven."""
        ...

    @property
    def stream_name(self) -> str:
        """Its stream."""
        ...

    @property
    def cancelled(self) -> Cancellation:
        """Set when nobody waits for the step any more."""
        ...

    def elapsed(self) -> float:
        """How long the run has been going on, in seconds."""
        ...

    def advance(self, step: Step, state: ThreadState | None) -> Yielded:
        """Let a step act until it yields; only here may the user's interrupt break in."""
        ...

    def keep_going(self) -> None:
        """Raise unless this run may still make claims: it drives the thread, nobody stopped it."""
        ...

    def mark(self) -> RunMark:
        """What the next claim says about the run."""
        ...

    def pause(self, seconds: float) -> None:
        """Let this time pass, unless nobody waits for the step any more. Steps pause unclaimed."""
        ...

    def on_delta(self, delta: Delta, /) -> None:
        """Takes pieces of an answer while it is generated."""
        ...

    def on_progress(self, progress: ToolProgress, /) -> None:
        """Takes what tools tell while they run, from any thread of this process."""
        ...
