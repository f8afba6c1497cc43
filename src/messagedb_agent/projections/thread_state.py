"""All that the engine knows about a thread, in one fold."""

from __future__ import annotations

import msgspec

from messagedb_agent.events.base import Event
from messagedb_agent.projections.base import Handler, Projection
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext
from messagedb_agent.projections.session_state import SESSION_STATE, SessionState
from messagedb_agent.projections.tool_calls import ToolCalls
from messagedb_agent.projections.turn import TURN, Turn
from messagedb_agent.projections.usage import USAGE, TokenUsage


class ThreadState(msgspec.Struct, frozen=True, gc=False):
    """The states of the projections that decide what a thread does next."""

    context: LLMContext
    turn: Turn
    session: SessionState
    usage: TokenUsage

    @property
    def calls(self) -> ToolCalls:
        """The tool calls of the running exchange."""
        return self.context.calls


def _together(kind: type[Event]) -> Handler[ThreadState]:
    context, turn = LLM_CONTEXT.handlers.get(kind), TURN.handlers.get(kind)
    session, usage = SESSION_STATE.handlers.get(kind), USAGE.handlers.get(kind)

    def apply(state: ThreadState, event: Event) -> ThreadState:
        return ThreadState(
            context(state.context, event) if context else state.context,
            turn(state.turn, event) if turn else state.turn,
            session(state.session, event) if session else state.session,
            usage(state.usage, event) if usage else state.usage,
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
    version=2,
    initial=ThreadState(LLM_CONTEXT.initial, TURN.initial, SESSION_STATE.initial, USAGE.initial),
    handlers={kind: _together(kind) for kind in _KINDS},
)
