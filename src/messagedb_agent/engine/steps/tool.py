"""The tool step: run the open calls of one response and say, in events, how each ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
import psycopg
from msgspec.structs import asdict

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.fencing import Stands, tool_claim
from messagedb_agent.engine.steps.base import (
    Claim,
    Committed,
    Outcome,
    RunMark,
    Step,
    Surroundings,
)
from messagedb_agent.engine.steps.transaction import (
    is_undecided,
    is_worth_another_try,
    tool_transaction,
)
from messagedb_agent.engine.threads import Finished, ToolThreads, Work
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


class ToolStep(msgspec.Struct, frozen=True):
    """Runs calls at the same time, within bounds; transactional ones each in a transaction."""

    agent: Agent
    store: EventStore
    clock: Callable[[], float] = time.monotonic

    def run(self, decision: RunTools, around: Surroundings) -> Step:
        """Claim all calls at once, then yield each outcome as it comes."""
        mark = around.mark()
        claimed = yield Claim(tuple(_claim(call, mark) for call in decision.calls))
        assert claimed is not None
        claims = claimed.turn.claims
        fences = {call.call.id: tool_claim(claimed, call.call.id) for call in decision.calls}
        pooled = [call for call in decision.calls if not self._is_transactional(call)]
        bound = [call for call in decision.calls if self._is_transactional(call)]
        with ToolThreads(self.agent.max_parallel_tools, around.cancelled) as threads:
            for call in pooled:
                threads.submit(call.index, self._work(call, claims, around), self._timeout(call))
            for call in bound:
                yield from self._run_in_transaction(call, claims, fences[call.call.id], around)
                # The next one takes its time, and nothing may be pending when it commits.
                for done in threads.ready():
                    yield self._ending(decision, done, fences, more=True)
            for done in threads.finished():
                yield self._ending(decision, done, fences, more=threads.left > 0)

    @staticmethod
    def _ending(
        decision: RunTools, done: Finished, fences: Mapping[str, Stands], *, more: bool
    ) -> Outcome:
        call = next(call for call in decision.calls if call.index == done.key)
        return Outcome((_outcome(call, done),), fences[call.call.id], more=more)

    def _run_in_transaction(
        self, call: CallState, claims: int, fence: Stands, around: Surroundings
    ) -> Step:
        """The tool's work and the event that it is done become one commit, or nothing."""
        for attempt in range(1, MAX_TRANSACTION_ATTEMPTS + 1):
            try:
                with tool_transaction(self.store, self._timeout(call)) as transaction:
                    began = self.clock()
                    context = self.context(call, claims, around, connection=transaction.connection)
                    result = self._execute(call, context)
                    transaction.verify()
                    done = Finished(call.index, result, None, self.clock() - began)
                    yield Outcome((_outcome(call, done),), fence, connection=transaction.connection)
            except (ToolError, StoreUnavailableError, psycopg.Error) as error:
                if is_worth_another_try(error) and attempt < MAX_TRANSACTION_ATTEMPTS:
                    continue
                if not is_undecided(error):
                    failed = Finished(call.index, None, _as_tool_error(error), 0.0)
                    yield Outcome((_outcome(call, failed),), fence, more=True)
                    return
            # Either it is committed, or the stream will show the call as interrupted.
            yield Committed()
            return

    def _work(self, call: CallState, claims: int, around: Surroundings) -> Work:
        return lambda cancelled: self._execute(
            call, self.context(call, claims, around, cancelled=cancelled)
        )

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

    def _is_transactional(self, call: CallState) -> bool:
        tool = self.agent.tools.get(call.call.name)
        return tool is not None and tool.transactional

    def _timeout(self, call: CallState) -> float | None:
        tool = self.agent.tools.get(call.call.name)
        return None if tool is None else tool.timeout


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
            **identity(call),
        )
    return ToolExecutionCompleted(
        tool_name=call.call.name,
        result=done.result,
        execution_time_ms=round(done.seconds * 1000, 1),
        **identity(call),
    )
