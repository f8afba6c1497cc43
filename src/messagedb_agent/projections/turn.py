"""How far the running turn is: what limits, retries and resuming look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from messagedb_agent.events.agent import (
    LLMCallFailed,
    LLMCallRequested,
    LLMCallStarted,
    LLMResponseReceived,
    ToolCall,
)
from messagedb_agent.events.system import LimitReached, ThreadForked, ThreadRewound, TurnInterrupted
from messagedb_agent.events.tool import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.user import TurnInterruptRequested, TurnResumed, UserMessageAdded
from messagedb_agent.projections.append_only import AppendOnly
from messagedb_agent.projections.base import Projection

Halt: TypeAlias = Literal["failed", "interrupted", "limit"]


class Turn(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    The turn since the last user message, or since somebody resumed it.

    `halted` says why it stands still although there is more to do. `claims` counts the model
    calls ever begun, those that a rewind left behind included, and the rewinds: it tells one claim
    from a later one. `steps` counts the model and tool steps of this turn, `used` has the model
    and the tokens of each answer, `repeats` says how often in a row the model asked for the same
    calls, `last_calls` which those were. `longest_ms` is the time of its longest step.
    """

    halted: Halt | None = None
    interrupt_requested: bool = False
    failure: LLMCallFailed | None = None
    limit: LimitReached | None = None
    claims: int = 0
    claimed: bool = False
    failed_attempts: int = 0
    steps: int = 0
    used: AppendOnly[tuple[str, Any]] = AppendOnly()
    repeats: int = 0
    last_calls: tuple[ToolCall, ...] = ()
    longest_ms: float = 0.0
    stop_reason: str | None = None

    @property
    def tokens(self) -> int:
        """The tokens of the turn's model calls together."""
        return sum(total_tokens(usage) for _, usage in self.used)


def _fork(state: Turn, _event: ThreadForked) -> Turn:
    return Turn(claims=state.claims, stop_reason=state.stop_reason)


def _rewind(state: Turn, event: ThreadRewound) -> Turn:
    claims = state.claims
    # What earlier programs wrote goes on as it began: calls keep their idempotency keys.
    if event.claims is not None:
        # One more, or a claim of the history that is left behind could pass for a new one.
        claims = max(claims, event.claims) + 1
    return Turn(claims=claims, stop_reason=state.stop_reason)


def _begin(state: Turn, _event: UserMessageAdded | TurnResumed) -> Turn:
    return Turn(claims=state.claims, claimed=state.claimed, stop_reason=state.stop_reason)


def _claim(state: Turn, _event: LLMCallRequested | LLMCallStarted) -> Turn:
    return replace(state, halted=None, claims=state.claims + 1, claimed=True, steps=state.steps + 1)


def _answer(state: Turn, event: LLMResponseReceived) -> Turn:
    calls, longest_ms = event.tool_calls, state.longest_ms
    if event.latency_ms is not None and event.latency_ms > longest_ms:
        longest_ms = float(event.latency_ms)
    return Turn(
        claims=state.claims,
        steps=state.steps,
        interrupt_requested=state.interrupt_requested,
        used=state.used.append((event.model_name, event.token_usage)),
        repeats=state.repeats + 1 if calls and _are_same(calls, state.last_calls) else 0,
        last_calls=calls,
        longest_ms=longest_ms,
        stop_reason=event.stop_reason,
    )


def _are_same(some: Sequence[ToolCall], others: Sequence[ToolCall]) -> bool:
    """Whether these ask for the same again; the ids of calls are always new."""
    return len(some) == len(others) and all(
        one.name == other.name and one.arguments == other.arguments
        for one, other in zip(some, others, strict=True)
    )


def _fail(state: Turn, event: LLMCallFailed) -> Turn:
    return replace(
        state,
        claimed=False,
        failure=event,
        failed_attempts=state.failed_attempts + 1,
        longest_ms=max(state.longest_ms, float(event.latency_ms or 0)),
        # Earlier programs did not say; they wrote the event after their last attempt.
        halted=None if event.retryable else "failed",
    )


def _run_tool(state: Turn, _event: ToolExecutionRequested) -> Turn:
    return replace(state, steps=state.steps + 1)


def _end_tool(state: Turn, event: ToolExecutionCompleted | ToolExecutionFailed) -> Turn:
    milliseconds = event.execution_time_ms
    if milliseconds is None or milliseconds <= state.longest_ms:
        return state
    return replace(state, longest_ms=float(milliseconds))


def _ask_to_stop(state: Turn, _event: TurnInterruptRequested) -> Turn:
    return replace(state, interrupt_requested=True)


def _interrupt(state: Turn, _event: TurnInterrupted) -> Turn:
    return replace(state, halted="interrupted", claimed=False, interrupt_requested=False)


def _limit(state: Turn, event: LimitReached) -> Turn:
    return replace(state, halted="limit", limit=event)


def total_tokens(usage: Any) -> int:
    """The tokens of one call, whatever shape an earlier program gave the numbers."""
    if not isinstance(usage, dict):
        return 0
    total = usage.get("total_tokens")
    if total and isinstance(total, int):
        return total
    parts = (usage.get("input_tokens"), usage.get("output_tokens"))
    return sum(part for part in parts if isinstance(part, int))


TURN: Projection[Turn] = Projection(
    name="turn",
    version=4,
    initial=Turn(),
    handlers={
        UserMessageAdded: _begin,
        TurnResumed: _begin,
        LLMCallRequested: _claim,
        LLMCallStarted: _claim,
        LLMResponseReceived: _answer,
        LLMCallFailed: _fail,
        ToolExecutionRequested: _run_tool,
        ToolExecutionCompleted: _end_tool,
        ToolExecutionFailed: _end_tool,
        TurnInterruptRequested: _ask_to_stop,
        TurnInterrupted: _interrupt,
        LimitReached: _limit,
        ThreadForked: _fork,
        ThreadRewound: _rewind,
    },
)
