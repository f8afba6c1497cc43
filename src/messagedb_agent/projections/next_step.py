"""What a thread does next: decisions, and the deciders that make them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Literal, TypeAlias

import msgspec

from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import SessionCompleted
from messagedb_agent.events.tool import ToolApprovalRequested
from messagedb_agent.projections.interruption import failures, identity, interruption
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.projections.tool_calls import CallState

StopReason: TypeAlias = Literal[
    "done", "waiting", "failed", "limit", "interrupted", "ended", "refused", "truncated"
]
"""Why a run hands control back."""

Permission: TypeAlias = Literal["allow", "ask", "deny"]
RecoveryChoice: TypeAlias = Literal["retry", "fail", "ask", "probe"]


class Decision(msgspec.Struct, frozen=True):
    """Names one kind of step and carries what that step needs."""


class Stop(Decision, frozen=True):
    """Hand control back."""

    reason: StopReason


class Record(Decision, frozen=True):
    """Write down what follows from the state alone; nothing is done in the world."""

    events: tuple[Event, ...]


class CallModel(Decision, frozen=True):
    """Ask the model. `attempt` counts from 1 the tries to get this answer."""

    attempt: int


class RunTools(Decision, frozen=True):
    """Run these open calls of one response."""

    calls: tuple[CallState, ...]


class ProbeTools(Decision, frozen=True):
    """Find out what became of these interrupted calls."""

    calls: tuple[CallState, ...]


Decider: TypeAlias = Callable[[ThreadState], Decision | None]
"""Looks at a state; answers None when it has no opinion."""


def decide(state: ThreadState, deciders: Iterable[Decider]) -> Decision:
    """The first opinion; `Stop("done")` when nobody has one."""
    for decider in deciders:
        decision = decider(state)
        if decision is not None:
            return decision
    return Stop("done")


def rest_when_ended(state: ThreadState) -> Decision | None:
    """An ended thread does nothing; one whose end was asked for is ended first."""
    if state.session.is_ended:
        return Stop("ended")
    if state.session.termination_requested:
        return Record((SessionCompleted(completion_reason="success"),))
    return None


def stop_when_asked(state: ThreadState) -> Decision | None:
    """A turn that somebody wants to stop gets its end, once its steps have had theirs."""
    if not state.turn.interrupt_requested:
        return None
    events = interruption(state)
    return Record(events) if events else None


def rest_when_halted(state: ThreadState) -> Decision | None:
    """A turn that failed, was interrupted or met a limit waits until somebody resumes it."""
    return Stop(state.turn.halted) if state.turn.halted else None


def never() -> None:
    """The `expires_at` of those whose approvals wait for ever."""


def settle_tools(
    permission: Callable[[CallState], Permission],
    recovery: Callable[[CallState], RecoveryChoice],
    expires_at: Callable[[], str | None] = never,
) -> Decider:
    """
    The decider that takes open tool calls to their outcomes.

    Interrupted calls go by their recovery, the others by their permission; what may run
    runs before anybody is waited for. `expires_at` tells until when an approval that is asked
    for now may be given.
    """

    def decider(state: ThreadState) -> Decision | None:
        calls = state.calls.open
        if not calls:
            return None
        verdicts = [(call, _verdict(state, call, permission, recovery)) for call in calls]

        def those(verdict: str) -> tuple[CallState, ...]:
            return tuple(call for call, given in verdicts if given == verdict)

        if refused := (*those("deny"), *those("fail")):
            return Record(tuple(map(_refusal, refused)))
        if unasked := those("ask"):
            expiry = expires_at()
            return Record(tuple(_request_approval(call, expiry) for call in unasked))
        if runnable := those("run"):
            return RunTools(runnable)
        if unclear := those("probe"):
            return ProbeTools(unclear)
        return Stop("waiting")

    return decider


def _verdict(
    state: ThreadState,
    call: CallState,
    permission: Callable[[CallState], Permission],
    recovery: Callable[[CallState], RecoveryChoice],
) -> str:
    allowed = permission(call)
    if allowed == "deny":
        return "deny"
    if call.approval == "pending":
        return "wait"
    if call.approval == "approved":
        return "run"
    choice = recovery(call) if call.attempts else "retry"
    if choice in ("fail", "ask"):
        return choice
    # What an earlier run was allowed to do on its own, this one may have to ask for.
    if allowed == "ask" and not (
        call.approval == "used" or any(grant.covers(call) for grant in state.calls.grants)
    ):
        return "ask"
    return "run" if choice == "retry" else choice


def _refusal(call: CallState) -> Event:
    if call.attempts:
        text = (
            "The tool was interrupted before it could answer. "
            "Whether it had an effect is unknown; it was not run again."
        )
        kind = "interrupted"
    else:
        text, kind = "This tool call is not allowed here.", "denied"
    return failures((call,), text, kind)[0]


def _request_approval(call: CallState, expires_at: str | None) -> ToolApprovalRequested:
    return ToolApprovalRequested(
        tool_name=call.call.name,
        arguments=call.arguments,
        reason="it was interrupted and may have had an effect" if call.attempts else None,
        expires_at=expires_at,
        **identity(call),
    )


def answer_with(configuration: AgentConfigured) -> Decider:
    """The decider that calls the model, under this configuration, while it owes an answer."""

    def decider(state: ThreadState) -> Decision | None:
        if not (state.context.wants_answer or state.turn.stop_reason == "pause"):
            return None
        current = state.context.configuration
        if current is None or current.sha256 != configuration.sha256:
            return Record((configuration,))
        return CallModel(attempt=state.turn.failed_attempts + 1)

    return decider


_ENDINGS: dict[str, StopReason] = {
    "max_tokens": "truncated",
    "context_window": "truncated",
    "refusal": "refused",
    "safety": "refused",
}


def report_the_ending(state: ThreadState) -> Decision | None:
    """An answer that was cut off or refused is said to be so."""
    ending = _ENDINGS.get(state.turn.stop_reason or "")
    return Stop(ending) if ending else None


class StepType(Enum):
    """The kinds of next step, as `project_to_next_step` names them."""

    LLM_CALL = "llm_call"
    TOOL_EXECUTION = "tool_execution"
    APPROVAL = "approval"
    TERMINATION = "termination"


def project_to_next_step(events: Sequence[Event]) -> StepType:
    """What a thread with this history does next, if every tool may run at once."""
    deciders = (
        rest_when_ended,
        stop_when_asked,
        rest_when_halted,
        settle_tools(lambda _call: "allow", lambda _call: "retry"),
    )
    state = THREAD_STATE.fold(events)
    match decide(state, deciders):
        case RunTools() | ProbeTools():
            return StepType.TOOL_EXECUTION
        case Stop(reason="waiting"):
            return StepType.APPROVAL
        case Stop(reason="done") if state.context.wants_answer:
            return StepType.LLM_CALL
        case _:
            return StepType.TERMINATION
