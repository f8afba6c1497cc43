"""The tool calls of the latest response: which are open, and what is known about each."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from messagedb_agent.events.agent import LLMResponseReceived, ToolCall
from messagedb_agent.events.json_text import canonical
from messagedb_agent.events.system import ThreadForked, ThreadRewound
from messagedb_agent.events.tool import (
    StoredResult,
    ToolApprovalRequested,
    ToolEvent,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    ToolExecutionStarted,
)
from messagedb_agent.events.user import ToolExecutionApproved, ToolExecutionRejected
from messagedb_agent.projections.base import Projection
from messagedb_agent.projections.messages import LargeToolResult, ToolResult

Approval: TypeAlias = Literal["none", "pending", "approved", "used"]
"""What people said about a call; "used" is an approval under which an attempt was begun."""


class CallState(msgspec.Struct, frozen=True, gc=False):
    """
    One call of the latest response.

    `attempts` counts its claims; a call with attempts and without a result was interrupted,
    or is running right now. `arguments` are those to run with, edited ones if a person
    edited them. A pending approval ends at `expires_at` (UTC), if that is set. `outcome` is
    set once the call is over, whichever way.
    """

    call: ToolCall
    index: int
    arguments: Any
    attempts: int = 0
    approval: Approval = "none"
    expires_at: str | None = None
    outcome: ToolResult | LargeToolResult | None = None

    @property
    def is_nameless(self) -> bool:
        """Whether the model gave the call no id, so that it has the one made here."""
        return self.call.id == f"call_{self.index}"


class Grant(msgspec.Struct, frozen=True, gc=False):
    """A standing permission: for a tool, or for a tool with exactly these arguments."""

    tool_name: str
    arguments: Any = None
    any_arguments: bool = True

    def covers(self, call: CallState) -> bool:
        """Whether the call may run without asking again."""
        return call.call.name == self.tool_name and (
            self.any_arguments
            # Python finds 1, 1.0 and True equal; a tool need not.
            or canonical(call.arguments) == canonical(self.arguments)
        )


class ToolCalls(msgspec.Struct, frozen=True, gc=False):
    """The calls of the latest response, in its order, and what was granted for good."""

    calls: tuple[CallState, ...] = ()
    grants: tuple[Grant, ...] = ()

    @property
    def open(self) -> tuple[CallState, ...]:
        """The calls that still need an outcome."""
        return tuple([call for call in self.calls if call.outcome is None])

    @property
    def are_all_pending(self) -> bool:
        """Whether there are open calls, and each of them waits for a person."""
        return bool(self.calls) and 0 < len(self.pending) == len(self.open)

    @property
    def pending(self) -> tuple[CallState, ...]:
        """The open calls that wait for a person."""
        return tuple(call for call in self.open if call.approval == "pending")

    def find(
        self, call_id: str | None, tool_name: str, index: int | None = None
    ) -> CallState | None:
        """
        The open call that an event speaks of.

        Earlier programs did not always write the id. Name and place in the response then
        decide if they can: when more than one open call fits, none is meant.
        """
        if call_id is None:
            named = [
                call
                for call in self.open
                if call.call.name == tool_name and index in (None, call.index)
            ]
            return named[0] if len(named) == 1 else None
        for call in self.calls:
            if call.call.id == call_id and call.outcome is None:
                return call
        return None

    def with_call(self, changed: CallState) -> ToolCalls:
        """The same calls, one of them changed."""
        calls, index = self.calls, changed.index
        if len(calls) > 1:
            return ToolCalls((*calls[:index], changed, *calls[index + 1 :]), self.grants)
        return ToolCalls((changed,), self.grants)


def asked_for(state: ToolCalls, calls: tuple[ToolCall, ...]) -> ToolCalls:
    """These calls, which all have ids, in place of those of the response before."""
    states = [CallState(call, index, call.arguments) for index, call in enumerate(calls)]
    return ToolCalls(tuple(states), state.grants)


def _respond(state: ToolCalls, event: LLMResponseReceived) -> ToolCalls:
    if not event.tool_calls and not state.calls:
        return state
    return asked_for(state, named(event.tool_calls))


def named(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """The calls with an id for each that the model gave none."""
    for call in calls:
        if not call.id:
            return tuple(
                call if call.id else ToolCall(f"call_{index}", call.name, call.arguments)
                for index, call in enumerate(calls)
            )
    return calls


def _meant(state: ToolCalls, event: ToolEvent) -> CallState | None:
    call_id = event.tool_call_id or event.tool_id
    if call_id is None:
        return state.find(None, event.tool_name, event.tool_index)
    is_known = False
    for call in state.calls:
        if call.call.id == call_id:
            if call.outcome is None:
                return call
            is_known = True
    if is_known:
        return None
    # Earlier programs gave ids to calls that the model had left without one.
    if all(known.is_nameless for known in state.open):
        return state.find(None, event.tool_name, event.tool_index)
    return None


def _claim(state: ToolCalls, event: ToolExecutionRequested) -> ToolCalls:
    call = _meant(state, event)
    if call is None:
        return state
    attempts = event.attempt if event.attempt > call.attempts else call.attempts + 1
    approval: Approval = "used" if call.approval in ("approved", "used") else "none"
    return state.with_call(CallState(call.call, call.index, call.arguments, attempts, approval))


def _start(state: ToolCalls, event: ToolExecutionStarted) -> ToolCalls:
    call = _meant(state, event)
    if call is None:
        return state
    return state.with_call(replace(call, attempts=max(1, call.attempts)))


def _ask(state: ToolCalls, event: ToolApprovalRequested) -> ToolCalls:
    call = _meant(state, event)
    if call is None:
        return state
    return state.with_call(replace(call, approval="pending", expires_at=event.expires_at))


def _approve(state: ToolCalls, event: ToolExecutionApproved) -> ToolCalls:
    call = state.find(event.tool_call_id, event.tool_name)
    if call is None:
        return state
    arguments = call.arguments if event.edited_arguments is None else event.edited_arguments
    state = state.with_call(replace(call, approval="approved", arguments=arguments))
    if event.remember not in ("tool", "arguments"):
        return state
    grant = Grant(call.call.name, arguments, event.remember == "tool")
    return ToolCalls(state.calls, (*state.grants, grant))


def _finish(
    state: ToolCalls,
    call: CallState | None,
    result: Any,
    *,
    is_error: bool,
    stored: StoredResult | None = None,
) -> ToolCalls:
    if call is None:
        return state
    asked = call.call
    outcome = ToolResult(asked.id, asked.name, result, is_error)
    if stored is not None:
        outcome = LargeToolResult(asked.id, asked.name, result, is_error, stored=stored)
    return state.with_call(
        CallState(asked, call.index, call.arguments, call.attempts, call.approval, None, outcome)
    )


def _complete(state: ToolCalls, event: ToolExecutionCompleted) -> ToolCalls:
    call = _meant(state, event)
    return _finish(state, call, event.result, is_error=False, stored=event.stored)


def _fail(state: ToolCalls, event: ToolExecutionFailed) -> ToolCalls:
    call = _meant(state, event)
    return _finish(state, call, event.error_message, is_error=True)


def _reject(state: ToolCalls, event: ToolExecutionRejected) -> ToolCalls:
    text = "The user rejected this tool call."
    if event.reason:
        text = f"{text} Reason: {event.reason}"
    call = state.find(event.tool_call_id, event.tool_name)
    return _finish(state, call, text, is_error=True)


def _begin_anew(state: ToolCalls, _event: ThreadForked | ThreadRewound) -> ToolCalls:
    """What was begun in the other history has no outcome in this one, and nobody granted it."""
    calls = tuple(
        call
        if call.outcome
        else msgspec.structs.replace(
            call, attempts=0, approval="none", arguments=call.call.arguments
        )
        for call in state.calls
    )
    return ToolCalls(calls)


TOOL_CALLS: Projection[ToolCalls] = Projection(
    name="tool_calls",
    version=3,
    initial=ToolCalls(),
    handlers={
        LLMResponseReceived: _respond,
        ToolExecutionRequested: _claim,
        ToolExecutionStarted: _start,
        ToolApprovalRequested: _ask,
        ToolExecutionApproved: _approve,
        ToolExecutionCompleted: _complete,
        ToolExecutionFailed: _fail,
        ToolExecutionRejected: _reject,
        ThreadForked: _begin_anew,
        ThreadRewound: _begin_anew,
    },
)
