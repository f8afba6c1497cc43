"""The probe step: find out what became of calls that were interrupted."""

from __future__ import annotations

import msgspec

from messagedb_agent.engine.fencing import tool_claim
from messagedb_agent.engine.steps.base import Claim, Outcome, Step, Surroundings
from messagedb_agent.engine.steps.tool import ToolStep
from messagedb_agent.errors import ToolError, ToolNotExecutedError
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.projections.interruption import failures, identity
from messagedb_agent.projections.next_step import ProbeTools, RunTools
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState


class ProbeStep(msgspec.Struct, frozen=True):
    """Asks each tool's `probe`; what it says never ran is run, the rest is recorded."""

    tools: ToolStep

    def run(self, decision: ProbeTools, state: ThreadState, around: Surroundings) -> Step:
        """Yield the outcome of each call, or run the call again."""
        # Nothing is claimed, but what was decided before has to be recorded before it is acted on.
        yield Claim(())
        for call in decision.calls:
            fence = tool_claim(state, call.call.id)
            try:
                result = self._probe(call, state, around)
            except ToolNotExecutedError:
                yield from self.tools.run(RunTools((call,)), around)
            except ToolError as error:
                yield Outcome(failures((call,), str(error), "interrupted"), fence, more=True)
            else:
                completed = ToolExecutionCompleted(
                    tool_name=call.call.name,
                    result=result,
                    **identity(call),
                )
                yield Outcome((completed,), fence, more=True)

    def _probe(self, call: CallState, state: ThreadState, around: Surroundings) -> object:
        tool = self.tools.agent.tools.get(call.call.name)
        if tool is None or tool.probe is None:
            raise ToolError("The tool was interrupted, and nothing can tell what it did.")
        context = self.tools.context(call, state.turn.claims, around)
        try:
            return tool.probe(call.arguments, context)
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(
                f"The tool was interrupted, and looking for what it did failed: {error}"
            ) from error
