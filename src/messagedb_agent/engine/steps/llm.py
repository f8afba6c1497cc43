"""The model step: one attempt to get an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import ceil, inf
from typing import Any

import msgspec
from msgspec.structs import asdict

from messagedb_agent.cancellation import Cancellation, Deadline
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.fencing import model_claim
from messagedb_agent.engine.limits import Allowance
from messagedb_agent.engine.model_memory import ModelMemory
from messagedb_agent.engine.recipe import recipe
from messagedb_agent.engine.steps.base import Claim, Outcome, RunMark, Step, Surroundings
from messagedb_agent.errors import (
    EncodingError,
    ModelCallError,
    ModelUnavailableError,
    RunStoppedError,
)
from messagedb_agent.events.agent import (
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolCall,
)
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.json_text import to_json
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.retry import LONGEST_RETRY_AFTER_SECONDS
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext
from messagedb_agent.projections.messages import Message
from messagedb_agent.projections.next_step import CallModel
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.timers import Now, as_text, as_time


class ModelStep(msgspec.Struct, frozen=True):
    """Calls the agent's model once; what becomes of a failure is decided from its event."""

    agent: Agent
    memory: ModelMemory
    contents: Contents | None = None
    clock: Callable[[], float] = time.monotonic
    now: Now = utc_now

    def run(
        self, decision: CallModel, state: ThreadState, version: int, around: Surroundings
    ) -> Step:
        """Claim, call, and yield the response or the failure."""
        before = state.turn.failure if decision.attempt > 1 else None
        if (pause := self._left_to_wait(before)) > 0:
            left = self.agent.limits.time_left(around.elapsed())
            around.pause(min(pause, left))
            if left <= pause:
                # The run's time is up, which is for others to say than a step.
                return
        # The claim itself lets messages in that waited for the last exchange to end.
        context = LLM_CONTEXT.apply(state.context, LLMCallRequested())
        claimed = yield Claim((self._claim(context, decision, version, around.mark()),))
        assert claimed is not None
        stands = model_claim(claimed)
        allowed = self.agent.limits.allowance(around.elapsed())
        began, began_at = self.clock(), self.now()
        cancelled = _cancelled(around, allowed)
        try:
            completion = self.agent.llm.complete(
                self._request(context, decision.attempt),
                on_delta=around.on_delta,
                cancelled=cancelled,
            )
        except ModelUnavailableError as error:
            yield Outcome((_unavailable(error, decision.attempt, self._since(began)),), stands)
        except ModelCallError as error:
            if error.error_type == "interrupted":
                if around.cancelled.is_set() or not cancelled.is_set():
                    raise RunStoppedError("the model call was interrupted") from error
                late = _out_of_time(allowed, decision.attempt, self._since(began))
                yield Outcome((late,), stands)
                return
            first = as_time(before.first_attempt_at if before else None) or began_at
            failure = self._failure(error, decision.attempt, first, self._since(began))
            yield Outcome((failure,), stands, more=bool(failure.retryable))
        else:
            response = _response(completion, decision.attempt, self._since(began))
            yield Outcome((response,), stands)

    def _since(self, began: float) -> int:
        """Milliseconds, none of them too few: what took all the time it had is to be seen so."""
        return ceil((self.clock() - began) * 1000)

    def _left_to_wait(self, failure: LLMCallFailed | None) -> float:
        """Seconds until another attempt is due; bounded, for clocks differ."""
        due = as_time(failure.retry_at if failure else None)
        left = (due - self.now()).total_seconds() if due else 0.0
        return min(left, LONGEST_RETRY_AFTER_SECONDS)

    def _claim(
        self, context: LLMContext, decision: CallModel, version: int, mark: RunMark
    ) -> LLMCallRequested:
        return LLMCallRequested(
            model_name=self.agent.llm.model_name,
            projected_context=recipe(context, version, self.memory.digest),
            attempt=decision.attempt,
            **asdict(mark),
        )

    def _failure(
        self, error: ModelCallError, attempt: int, first: datetime, latency_ms: int
    ) -> LLMCallFailed:
        """What went wrong, and when to try again, if that is worth it."""
        now, retry = self.now(), self.agent.retry
        pause = retry.pause(attempt, error.retry_after)
        elapsed = (now - first).total_seconds()
        again = retry.allows_another(error, attempt, elapsed=elapsed, pause=pause)
        return LLMCallFailed(
            error_message=str(error),
            retry_count=attempt - 1,
            error_type=error.error_type,
            retryable=again,
            retry_at=as_text(now + timedelta(seconds=pause)) if again else None,
            first_attempt_at=as_text(first) if again else None,
            latency_ms=latency_ms,
        )

    def _request(self, context: LLMContext, attempt: int) -> ModelRequest:
        configuration = context.configuration
        assert configuration is not None, "a model is called under a recorded configuration only"
        messages: Sequence[Message] = context.messages
        if self.contents is not None:
            messages = self.contents.resolve(messages)
        return ModelRequest(
            model_name=configuration.model_name,
            system_prompt=configuration.system_prompt,
            tools=configuration.tools,
            messages=messages,
            parameters=configuration.parameters,
            attempt=attempt,
        )


def _response(completion: Completion, attempt: int, latency_ms: int) -> LLMResponseReceived:
    usage = asdict(completion.usage)
    return LLMResponseReceived(
        response_text=completion.text,
        tool_calls=distinct(completion.tool_calls),
        model_name=completion.model_name,
        token_usage={name: count for name, count in usage.items() if count is not None},
        stop_reason=completion.stop_reason,
        content=_storable_blocks(completion.content),
        api=completion.api,
        latency_ms=latency_ms,
        details=completion.details or None,
        retry_count=attempt - 1,
    )


def _storable_blocks(blocks: tuple[JSONObject, ...]) -> tuple[JSONObject, ...] | None:
    """The provider's blocks; without them the answer is told in neutral words next time."""
    if not blocks:
        return None
    try:
        to_json(blocks)
    except EncodingError:
        return None
    return blocks


def distinct(calls: tuple[ToolCall, ...]) -> tuple[ToolCall, ...]:
    """The calls with ids that are not empty and differ, as results are matched by them."""
    seen: set[str] = set()
    result = []
    for index, call in enumerate(calls):
        unique = call.id or f"call_{index}"
        while unique in seen:
            unique = f"{unique}_{index}"
        seen.add(unique)
        result.append(ToolCall(unique, call.name, _storable(call.arguments)))
    return tuple(result)


def _storable(arguments: Any) -> Any:
    """The arguments, or, if no store would take them, a text that fails as arguments do."""
    try:
        to_json(arguments)
    except EncodingError as error:
        return f"(arguments that can not be recorded: {error})"
    return arguments


def _cancelled(around: Surroundings, allowed: Allowance) -> Cancellation:
    """An answer that is not there when the time is up is waited for no longer."""
    seconds = allowed.seconds
    return around.cancelled if seconds == inf else Deadline(around.cancelled, seconds)


def _out_of_time(allowed: Allowance, attempt: int, latency_ms: int) -> LLMCallFailed:
    # Another attempt is for those to decide who look at the limits.
    return LLMCallFailed(
        error_message=f"No answer came within {allowed.told}.",
        retry_count=attempt - 1,
        error_type="timeout",
        retryable=True,
        latency_ms=latency_ms,
    )


def _unavailable(error: ModelUnavailableError, attempt: int, latency_ms: int) -> LLMCallFailed:
    return LLMCallFailed(
        error_message=str(error),
        retry_count=attempt - 1,
        error_type="unavailable",
        retryable=False,
        latency_ms=latency_ms,
    )
