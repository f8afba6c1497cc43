"""Bounds on a turn, as a pure decider."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import msgspec

from messagedb_agent.events.system import LimitReached
from messagedb_agent.llm.prices import Price
from messagedb_agent.projections.next_step import Decider, Decision, Record
from messagedb_agent.projections.thread_state import ThreadState

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

    def decider(state: ThreadState) -> Decision | None:
        if not (state.calls.open or state.context.wants_answer):
            return None
        used: tuple[tuple[str, float, float | None], ...] = (
            ("max_steps", state.turn.steps, limits.max_steps),
            ("max_tokens", _tokens(state, limits), limits.max_tokens),
            ("max_cost", _cost(state, limits), limits.max_cost),
            ("max_repeats", state.turn.repeats, limits.max_repeats),
            ("max_step_seconds", state.turn.longest_ms / 1000, limits.max_step_seconds),
            ("max_seconds", elapsed(), limits.max_seconds),
        )
        for name, value, maximum in used:
            if maximum is not None and value >= maximum:
                return Record((LimitReached(limit=name, value=value, maximum=maximum),))
        return None

    return decider


def _tokens(state: ThreadState, limits: Limits) -> int:
    return 0 if limits.max_tokens is None else state.turn.tokens


def _cost(state: ThreadState, limits: Limits) -> float:
    if limits.max_cost is None or limits.price is None:
        return 0.0
    price = limits.price
    return sum(price(name, usage) or 0.0 for name, usage in state.turn.used)
