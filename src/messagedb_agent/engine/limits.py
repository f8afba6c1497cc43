"""Bounds on a turn, as a pure decider."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import msgspec

from messagedb_agent.events.system import LimitReached
from messagedb_agent.llm.prices import Price
from messagedb_agent.projections.next_step import Decider, Decision, Record
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.turn import Turn

DEFAULT_MAX_STEPS = 100
DEFAULT_MAX_REPEATS = 5


class Allowance(msgspec.Struct, frozen=True):
    """How many seconds a step may take, and how that is told to people and models."""

    seconds: float
    told: str


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a turn may use before it stops; None means no bound.

    `max_steps` counts model calls and tool calls, `max_tokens` the tokens of the turn's model
    calls, `max_cost` what they cost by `price`, `max_repeats` how often in a row the model may
    ask for the very same calls again. `max_step_seconds` is the time of one step, which is one
    attempt of a model call or one tool call, and `max_seconds` that of one run. Both end the model
    call or the tool calls that take longer, as a tool's own timeout does.
    A user message or `continue` starts the count anew.
    """

    max_steps: int | None = DEFAULT_MAX_STEPS
    max_tokens: int | None = None
    max_cost: float | None = None
    price: Price | None = None
    max_repeats: int | None = DEFAULT_MAX_REPEATS
    max_step_seconds: float | None = None
    max_seconds: float | None = None

    def time_left(self, elapsed: float) -> float:
        """The seconds left to a run that has been going on for `elapsed` seconds."""
        return inf if self.max_seconds is None else max(0.0, self.max_seconds - elapsed)

    def allowance(self, elapsed: float, timeout: float | None = None) -> Allowance:
        """What a step may take that begins now, and has perhaps a timeout of its own."""
        left = self.time_left(elapsed)
        bounds = [bound for bound in (self.max_step_seconds, timeout) if bound is not None]
        own = min(bounds, default=inf)
        if self.max_seconds is not None and left <= own:
            return Allowance(left, "the time that the run was given")
        return Allowance(own, f"{own:g} seconds")


def no_time() -> float:
    """The `elapsed` of those who don't count time."""
    return 0.0


def within(limits: Limits, elapsed: Callable[[], float] = no_time) -> Decider:
    """
    The decider that stops a turn which has used up one of its limits.

    `elapsed` gives the seconds since the run began.
    """

    measures: tuple[tuple[str, Callable[[Turn], float], float | None], ...] = (
        ("max_steps", lambda turn: turn.steps, limits.max_steps),
        ("max_tokens", lambda turn: turn.tokens, limits.max_tokens),
        ("max_cost", lambda turn: _cost(turn, limits.price), limits.max_cost),
        ("max_repeats", lambda turn: turn.repeats, limits.max_repeats),
        ("max_step_seconds", lambda turn: turn.longest_ms / 1000, limits.max_step_seconds),
        ("max_seconds", lambda _turn: elapsed(), limits.max_seconds),
    )
    bounds = [(name, used, bound) for name, used, bound in measures if bound is not None]

    def decider(state: ThreadState) -> Decision | None:
        if not (state.calls.open or state.context.wants_answer):
            return None
        for name, used, maximum in bounds:
            if (value := used(state.turn)) >= maximum:
                return Record((LimitReached(limit=name, value=value, maximum=maximum),))
        return None

    return decider


def _cost(turn: Turn, price: Price | None) -> float:
    return 0.0 if price is None else sum(price(name, usage) or 0.0 for name, usage in turn.used)
