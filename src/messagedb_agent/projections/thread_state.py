"""All that the engine knows about a thread, in one fold."""

from __future__ import annotations

import msgspec

from messagedb_agent.projections.base import Projection, combine
from messagedb_agent.projections.life_cycle import LIFE_CYCLE, LifeCycle
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext
from messagedb_agent.projections.run import RUN, Run
from messagedb_agent.projections.schedule import SCHEDULE, Schedule
from messagedb_agent.projections.tool_calls import TOOL_CALLS, ToolCalls
from messagedb_agent.projections.turn import TURN, Turn
from messagedb_agent.projections.usage import USAGE, TokenUsage


class ThreadState(msgspec.Struct, frozen=True, gc=False):
    """The states of the projections that decide what a thread does next."""

    context: LLMContext
    turn: Turn
    session: LifeCycle
    usage: TokenUsage
    run: Run
    schedule: Schedule

    @property
    def calls(self) -> ToolCalls:
        """The tool calls of the running exchange."""
        return self.context.calls

    @property
    def is_awaiting_approval(self) -> bool:
        """Whether nothing can be done before a person has decided."""
        return self.calls.are_all_pending


_PARTS = (LLM_CONTEXT, TURN, LIFE_CYCLE, USAGE, RUN, SCHEDULE)

THREAD_STATE: Projection[ThreadState] = combine(
    ThreadState,
    *_PARTS,
    name="thread_state",
    # Rises with each of them, so that a snapshot taken by older ones is not taken for a newer; and
    # with the form in which they keep lists.
    version=1 + sum(part.version for part in (*_PARTS, TOOL_CALLS)),
)
"""The projection that the engine decides by."""
