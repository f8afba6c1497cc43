"""The tool step: run the open calls of one response and say, in events, how each ended."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from math import ceil
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

import msgspec
import psycopg
from msgspec.structs import asdict

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.discretion import Discretion
from messagedb_agent.engine.fencing import ToolStands, tool_claim
from messagedb_agent.engine.foothold import Foothold
from messagedb_agent.engine.jobs import Finished, Job
from messagedb_agent.engine.limits import Allowance
from messagedb_agent.engine.steps.base import (
    Claim,
    Committed,
    Outcome,
    RunMark,
    Step,
    Surroundings,
)
from messagedb_agent.engine.steps.transaction import (
    ToolTransaction,
    is_undecided,
    is_worth_another_try,
    tool_transaction,
)
from messagedb_agent.engine.threads import ToolThreads
from messagedb_agent.errors import StoreUnavailableError, ToolError
from messagedb_agent.events.base import Event
from messagedb_agent.events.tool import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.projections.interruption import identity
from messagedb_agent.projections.next_step import RunTools
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.base import EventStore
from messagedb_agent.tools.base import ToolContext, ToolProgress
from messagedb_agent.tools.executor import execute_tool

MAX_TRANSACTION_ATTEMPTS = 5
"""How often a transactional tool runs when the database reports a deadlock or a conflict."""


IN_THE_STREAM: Final = object()
"""In place of a result: whatever became of the call, the stream tells it."""


class _Footing(msgspec.Struct, frozen=True):
    """What the claims of a step were made on."""

    foothold: Foothold
    claims: int
    around: Surroundings


class ToolStep(msgspec.Struct, frozen=True):
    """Runs calls at the same time, within bounds; transactional ones each in a transaction."""

    agent: Agent
    store: EventStore
    foothold: Callable[[], Foothold]
    discretion: Discretion
    clock: Callable[[], float] = time.monotonic

    def run(self, decision: RunTools, around: Surroundings) -> Step:
        """Claim all calls at once, then yield each outcome as it comes."""
        mark = around.mark()
        claimed = yield Claim(tuple(_claim(call, mark) for call in decision.calls))
        assert claimed is not None
        footing = _Footing(self.foothold(), claimed.turn.claims, around)
        fences = {call.index: tool_claim(claimed, call.call.id) for call in decision.calls}
        with ToolThreads(self.agent.max_parallel_tools, around.cancelled) as threads:
            for call in decision.calls:
                work = self._work(call, footing, fences[call.index])
                threads.submit(call.index, work, self.allowance(call, around))
            for done in threads.finished():
                if done.result is IN_THE_STREAM:
                    yield Committed()
                else:
                    call = next(call for call in decision.calls if call.index == done.key)
                    more = threads.left > 0
                    yield Outcome((_outcome(call, done),), fences[call.index], more=more)

    def _work(self, call: CallState, footing: _Footing, fence: ToolStands) -> Callable[[Job], Any]:
        tool = self.agent.tools.get(call.call.name)
        if tool is not None and tool.transactional:
            return lambda job: self._transact(call, footing, fence, job)
        return lambda job: self._execute(
            call, self.context(call, footing.claims, footing.around, cancelled=job.cancelled)
        )

    def _transact(self, call: CallState, footing: _Footing, fence: ToolStands, job: Job) -> object:
        """The tool's work and the event that it is done become one commit, or nothing."""
        for attempt in itertools.count(1):
            try:
                with tool_transaction(self.store, job) as transaction:
                    self._work_within(transaction, call, footing, fence, job)
            except (ToolError, StoreUnavailableError, psycopg.Error) as error:
                # Either it is committed, or the stream will show the call as interrupted.
                if is_undecided(error):
                    break
                is_last = attempt == MAX_TRANSACTION_ATTEMPTS or not is_worth_another_try(error)
                if is_last or not job.begin_again():
                    raise _as_tool_error(error) from error
            else:
                break
        return IN_THE_STREAM

    def _work_within(
        self,
        transaction: ToolTransaction,
        call: CallState,
        footing: _Footing,
        fence: ToolStands,
        job: Job,
    ) -> None:
        began = self.clock()
        connection = transaction.connection
        context = self.context(
            call, footing.claims, footing.around, connection=connection, cancelled=job.cancelled
        )
        result = self._execute(call, context)
        job.begin_ending()
        transaction.verify()
        done = Finished(call.index, result, None, self.clock() - began)
        told = self.discretion(_outcome(call, done))
        footing.foothold.conclude(connection, (told,), fence)

    def _execute(self, call: CallState, context: ToolContext) -> Any:
        return execute_tool(self.agent.tools, call.call.name, call.arguments, context)

    def context(
        self,
        call: CallState,
        claims: int,
        around: Surroundings,
        *,
        connection: psycopg.Connection[Any] | None = None,
        cancelled: Cancellation | None = None,
    ) -> ToolContext:
        """What the tool gets to know about this attempt."""
        call_id, name = call.call.id, call.call.name
        return ToolContext(
            thread_id=around.thread_id,
            tool_call_id=call_id,
            attempt=call.attempts + 1,
            idempotency_key=idempotency_key(around.stream_name, claims, call_id),
            workspace=self.agent.workspace,
            cancelled=cancelled or around.cancelled,
            connection=connection,
            progress=lambda text: around.on_progress(ToolProgress(call_id, name, text)),
        )

    def allowance(self, call: CallState, around: Surroundings) -> Callable[[], Allowance]:
        """Tells how long the call may take from now on."""
        tool, limits = self.agent.tools.get(call.call.name), self.agent.limits
        return lambda: limits.allowance(around.elapsed(), tool.timeout if tool else None)


def idempotency_key(stream_name: str, claims: int, call_id: str) -> str:
    """
    One key for all attempts of a call, and for no other call.

    Models reuse call ids, so the number of the model call that asked for it is part of it.
    """
    return str(uuid5(NAMESPACE_URL, f"messagedb-agent:{stream_name}:{claims}:{call_id}"))


def _as_tool_error(error: Exception) -> ToolError:
    return error if isinstance(error, ToolError) else ToolError(f"The database refused: {error}")


def _claim(call: CallState, mark: RunMark) -> ToolExecutionRequested:
    return ToolExecutionRequested(
        tool_name=call.call.name,
        arguments=call.arguments,
        attempt=call.attempts + 1,
        **identity(call),
        **asdict(mark),
    )


def _outcome(call: CallState, done: Finished) -> Event:
    if done.error is not None:
        return ToolExecutionFailed(
            tool_name=call.call.name,
            error_message=str(done.error),
            retry_count=call.attempts,
            error_type=done.error_type,
            execution_time_ms=ceil(done.seconds * 1000),
            **identity(call),
        )
    return ToolExecutionCompleted(
        tool_name=call.call.name,
        result=done.result,
        execution_time_ms=round(done.seconds * 1000, 1),
        **identity(call),
    )
