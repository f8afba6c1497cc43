"""The model step: one attempt to get an answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.fencing import model_claim
from messagedb_agent.engine.recipe import ContextDigest, recipe
from messagedb_agent.engine.steps.base import Claim, Outcome, Step, Surroundings
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
from messagedb_agent.projections.llm_context import LLM_CONTEXT, LLMContext
from messagedb_agent.projections.messages import Message
from messagedb_agent.projections.next_step import CallModel
from messagedb_agent.projections.thread_state import ThreadState


class ModelMemory:
    """What model steps of one thread keep between them, in this process."""

    def __init__(self) -> None:
        self.digest = ContextDigest()
        self.first_attempt_began = 0.0


class ModelStep(msgspec.Struct, frozen=True):
    """Calls the agent's model once; what becomes of a failure is decided from its event."""

    agent: Agent
    memory: ModelMemory
    contents: Contents | None = None
    clock: Callable[[], float] = time.monotonic

    def run(
        self, decision: CallModel, state: ThreadState, version: int, around: Surroundings
    ) -> Step:
        """Claim, call, and yield the response or the failure."""
        # The claim itself lets messages in that waited for the last exchange to end.
        context = LLM_CONTEXT.apply(state.context, LLMCallRequested())
        claimed = yield Claim((self._claim(context, decision, version),))
        assert claimed is not None
        stands = model_claim(claimed)
        began = self.clock()
        if decision.attempt == 1 or not self.memory.first_attempt_began:
            self.memory.first_attempt_began = began
        try:
            completion = self.agent.llm.complete(
                self._request(context, decision.attempt),
                on_delta=around.on_delta,
                cancelled=around.cancelled,
            )
        except ModelUnavailableError as error:
            yield Outcome((_unavailable(error, decision.attempt),), stands)
        except ModelCallError as error:
            if error.error_type == "interrupted":
                raise RunStoppedError("the model call was interrupted") from error
            pause = self.agent.retry.pause(decision.attempt, error.retry_after)
            again = self.agent.retry.allows_another(
                error,
                decision.attempt,
                elapsed=self.clock() - self.memory.first_attempt_began,
                pause=pause,
            )
            yield Outcome((_failure(error, decision.attempt, again=again),), stands, more=again)
            if again:
                around.cancelled.wait(pause)
        else:
            latency_ms = round((self.clock() - began) * 1000)
            yield Outcome((_response(completion, decision.attempt, latency_ms),), stands)

    def _claim(self, context: LLMContext, decision: CallModel, version: int) -> LLMCallRequested:
        return LLMCallRequested(
            model_name=self.agent.llm.model_name,
            projected_context=recipe(context, version, self.memory.digest),
            attempt=decision.attempt,
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
    usage = msgspec.structs.asdict(completion.usage)
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
    try:
        to_json(blocks)
    except EncodingError:
        return None
    return blocks or None


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


def _failure(error: ModelCallError, attempt: int, *, again: bool) -> LLMCallFailed:
    return LLMCallFailed(
        error_message=str(error),
        retry_count=attempt - 1,
        error_type=error.error_type,
        retryable=again,
    )


def _unavailable(error: ModelUnavailableError, attempt: int) -> LLMCallFailed:
    return LLMCallFailed(
        error_message=str(error),
        retry_count=attempt - 1,
        error_type="unavailable",
        retryable=False,
    )
