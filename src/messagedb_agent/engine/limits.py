"""Bounds on a turn, as a pure decider."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from messagedb_agent.events.system import LimitReached
from messagedb_agent.llm.prices import Price
from messagedb_agent.projections.next_step import Decider, Decision, Record
from messagedb_agent.projections.thread_state import ThreadState

DEFAULT_MAX_STEPS = 100
DEFAULT_MAX_REPEATS = 5


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a turn may use before it stops; None means no bound.

    `max_steps` counts model calls and tool calls, `max_tokens` the tokens of the turn's model
    calls, `max_cost` what they cost by `price`, `max_repeats` how often in a row the model may
    ask for the very same calls again. `max_seconds` is the time of one run: a model call is ended
    by it, and tool calls that have begun are let end within their own timeouts.
    A user message or `continue` starts the count anew.
    """

    max_steps: int | None = DEFAULT_MAX_STEPS
    max_tokens: int | None = None
    max_cost: float | None = None
    price: Price | None = None
    max_repeats: int | None = DEFAULT_MAX_REPEATS
    max_seconds: float | None = None


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
