"""
Whether a claim still stands, so that its outcome may be recorded.

Other people's events (messages, approvals, events of other programs) never take a claim
away. A newer claim of the same step does, and so does an outcome that is there already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec
from msgspec.structs import replace

from messagedb_agent.projections.append_only import AppendOnly
from messagedb_agent.projections.base import combine
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import TOOL_CALLS, ToolCalls
from messagedb_agent.projections.turn import TURN, Turn

Stands: TypeAlias = Callable[[ThreadState], bool]
"""Looks at the newest state; tells whether an outcome may still be recorded."""


class Claims(msgspec.Struct, frozen=True):
    """The part of a thread's state by which the claims of its tool calls stand or fall."""

    turn: Turn
    calls: ToolCalls


CLAIMS = combine(Claims, TURN, TOOL_CALLS, name="claims", version=TURN.version + TOOL_CALLS.version)


ToolStands: TypeAlias = Callable[[ThreadState | Claims], bool]
"""The same for a tool call, which does not take the whole state to tell."""


def claims_of(state: ThreadState) -> Claims:
    """A start for folding claims in another thread: it shares no growing list with the state."""
    return Claims(replace(state.turn, used=AppendOnly()), state.calls)


def model_claim(state: ThreadState) -> Stands:
    """The fence of the model call that was just claimed, `state` being the one after the claim."""
    number = state.turn.claims

    def stands(newest: ThreadState) -> bool:
        return newest.turn.claimed and newest.turn.claims == number

    return stands


def tool_claim(state: ThreadState, call_id: str) -> ToolStands:
    """The fence of one tool call that was just claimed."""
    claims, attempts = state.turn.claims, _attempts(state, call_id)

    def stands(newest: ThreadState | Claims) -> bool:
        return newest.turn.claims == claims and _attempts(newest, call_id) == attempts

    return stands


def takes_messages(state: ThreadState) -> bool:
    """The fence of what a person adds: anything goes while the thread has not ended."""
    return not state.session.is_ended


def _attempts(state: ThreadState | Claims, call_id: str) -> int | None:
    return next((call.attempts for call in state.calls.open if call.call.id == call_id), None)
