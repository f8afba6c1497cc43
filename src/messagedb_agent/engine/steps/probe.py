"""The probe step: find out what became of calls that were interrupted."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import msgspec
from msgspec.structs import replace

from messagedb_agent.engine.fencing import tool_claim
from messagedb_agent.engine.jobs import Finished, Job
from messagedb_agent.engine.steps.base import Claim, Outcome, Step, Surroundings
from messagedb_agent.engine.steps.tool import ToolStep
from messagedb_agent.engine.threads import ToolThreads
from messagedb_agent.errors import ToolError, ToolNotExecutedError
from messagedb_agent.events.base import Event
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.projections.interruption import failures, identity
from messagedb_agent.projections.next_step import ProbeTools, RunTools
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.tool_calls import CallState


class ProbeStep(msgspec.Struct, frozen=True):
    """Asks each tool's `probe`; what it says never ran is run, the rest is recorded."""

    tools: ToolStep

    def run(self, decision: ProbeTools, state: ThreadState, around: Surroundings) -> Step:
        """Yield the outcome of each call as it is found, then run again what did not run."""
        # Nothing is claimed, but what was decided before has to be recorded before it is acted on.
        yield Claim(())
        by_index = {call.index: call for call in decision.calls}
        never_ran: list[CallState] = []
        with ToolThreads(self.tools.agent.max_parallel_tools, around.cancelled) as threads:
            for call in decision.calls:
                work = self._work(call, state, around)
                threads.submit(call.index, work, self.tools.allowance(call, around))
            for done in threads.finished():
                call = by_index[done.key]
                if isinstance(done.error, ToolNotExecutedError):
                    never_ran.append(call)
                else:
                    fence = tool_claim(state, call.call.id)
                    yield Outcome((_outcome(call, done),), fence, more=True)
        if never_ran:
            in_order = sorted(never_ran, key=lambda call: call.index)
            yield from self.tools.run(RunTools(tuple(in_order)), around)

    def _work(
        self, call: CallState, state: ThreadState, around: Surroundings
    ) -> Callable[[Job], object]:
        return lambda job: self._probe(call, state, around, job)

    def _probe(self, call: CallState, state: ThreadState, around: Surroundings, job: Job) -> object:
        tool = self.tools.agent.tools.get(call.call.name)
        if tool is None or tool.probe is None:
            raise ToolError("The tool was interrupted, and nothing can tell what it did.")
        claims = state.turn.claims
        context = self.tools.context(call, claims, around, cancelled=job.cancelled)
        try:
            return tool.probe(call.arguments, context)
        except ToolError:
            raise
        except Exception as error:
            raise ToolError(
                f"The tool was interrupted, and looking for what it did failed: {error}"
            ) from error


def _outcome(call: CallState, done: Finished) -> Event:
    if done.error is None:
        return ToolExecutionCompleted(
            tool_name=call.call.name, result=done.result, probed=True, **identity(call)
        )
    text = str(done.error)
    if done.error_type == "timeout":
        text = f"The tool was interrupted, and looking for what it did took too long: {text}"
    (failure,) = failures((call,), text, "interrupted")
    return replace(failure, execution_time_ms=ceil(done.seconds * 1000))
