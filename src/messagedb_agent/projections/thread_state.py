"""All that the engine knows about a thread, in one fold."""

from __future__ import annotations

from typing import Any

import msgspec

from messagedb_agent.events.base import Event
from messagedb_agent.projections.base import Handler, Projection
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext
from messagedb_agent.projections.session_state import SESSION_STATE, SessionState
from messagedb_agent.projections.tool_calls import ToolCalls
from messagedb_agent.projections.turn import TURN, Turn
from messagedb_agent.projections.usage import USAGE, TokenUsage


class ThreadState(msgspec.Struct, frozen=True):
    """The states of the projections that decide what a thread does next."""

    context: LLMContext
    turn: Turn
    session: SessionState
    usage: TokenUsage

    @property
    def calls(self) -> ToolCalls:
        """The tool calls of the running exchange."""
        return self.context.calls


def _keep(state: Any, _event: Any) -> Any:
    return state


def _handler(part: Projection[Any], kind: type[Event]) -> Handler[Any]:
    return part.handlers.get(kind, _keep)


def _together(kind: type[Event]) -> Handler[ThreadState]:
    context, turn = _handler(LLM_CONTEXT, kind), _handler(TURN, kind)
    session, usage = _handler(SESSION_STATE, kind), _handler(USAGE, kind)

    def apply(state: ThreadState, event: Event) -> ThreadState:
        return ThreadState(
            context(state.context, event),
            turn(state.turn, event),
            session(state.session, event),
            usage(state.usage, event),
        )

    return apply


_KINDS = {
    **LLM_CONTEXT.handlers,
    **TURN.handlers,
    **SESSION_STATE.handlers,
    **USAGE.handlers,
}

THREAD_STATE: Projection[ThreadState] = Projection(
    name="thread_state",
    version=1,
    initial=ThreadState(LLM_CONTEXT.initial, TURN.initial, SESSION_STATE.initial, USAGE.initial),
    handlers={kind: _together(kind) for kind in _KINDS},
)
