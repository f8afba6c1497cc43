"""The span of one step, from its claim and its outcome."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from messagedb_agent.events.agent import LLMCallFailed, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.tool import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.observability import semconv
from messagedb_agent.observability.identity import step_span_id_of, written_within
from messagedb_agent.observability.spans import (
    INTERRUPTED,
    Scope,
    Span,
    nanoseconds,
    output_message,
    usage_of,
)
from messagedb_agent.observability.turns import EndedStep


def step_span(
    step: EndedStep, scope: Scope, *, ended: datetime | None = None, recovered: bool = False
) -> Span:
    """
    The span of a model or tool step.

    A claim whose outcome nobody recorded was interrupted; `ended` is then the last time that
    its process was known to live.
    """
    claim, outcome = step
    client = isinstance(claim.event, LLMCallRequested)
    name, attributes = _chat(step, scope) if client else _tool(step, scope)
    error_type, message = _error(outcome)
    author = written_within(claim)
    end = ended or (outcome.time if outcome else claim.time)
    return Span(
        name=name,
        ref=scope.run._replace(span_id=step_span_id_of(claim.id)),
        parent_id=author.span_id if author else scope.run.span_id,
        start=nanoseconds(claim.time),
        end=nanoseconds(max(end, claim.time)),
        attributes={
            **attributes,
            semconv.CONVERSATION_ID: scope.thread_id,
            semconv.OUR_POSITION: claim.position,
            **({semconv.ERROR_TYPE: error_type} if error_type else {}),
        },
        is_client=client,
        error_type=error_type,
        error_message=message if scope.capture_content else None,
        recovered=recovered,
    )


def _error(outcome: RecordedEvent | None) -> tuple[str | None, str | None]:
    match outcome.event if outcome else None:
        case None:
            return INTERRUPTED, None
        case LLMCallFailed() | ToolExecutionFailed() as failed:
            return failed.error_type or semconv.ERROR_OTHER, failed.error_message
        case _:
            return None, None


def _chat(step: EndedStep, scope: Scope) -> tuple[str, dict[str, Any]]:
    claim = step.claim.event
    assert isinstance(claim, LLMCallRequested)
    provider, model = semconv.provider_of(claim.model_name)
    attributes: dict[str, Any] = {
        semconv.OPERATION_NAME: semconv.OPERATION_CHAT,
        semconv.PROVIDER_NAME: provider,
        semconv.REQUEST_MODEL: model,
        semconv.OUR_ATTEMPT: claim.attempt,
    }
    parameters = scope.configured.parameters if scope.configured else {}
    for name, key in (
        ("max_tokens", semconv.REQUEST_MAX_TOKENS),
        ("temperature", semconv.REQUEST_TEMPERATURE),
    ):
        if isinstance(parameters.get(name), int | float):
            attributes[key] = parameters[name]
    if step.outcome and isinstance(answer := step.outcome.event, LLMResponseReceived):
        attributes |= _answer(answer, scope)
    return f"{semconv.OPERATION_CHAT} {model}", attributes


def _answer(answer: LLMResponseReceived, scope: Scope) -> dict[str, Any]:
    attributes: dict[str, Any] = usage_of(answer)
    if answer.model_name:
        attributes[semconv.RESPONSE_MODEL] = semconv.provider_of(answer.model_name)[1]
    if answer.stop_reason:
        attributes[semconv.RESPONSE_FINISH_REASONS] = [answer.stop_reason]
    if scope.capture_content:
        attributes[semconv.OUTPUT_MESSAGES] = [output_message(answer)]
    return attributes


def _tool(step: EndedStep, scope: Scope) -> tuple[str, dict[str, Any]]:
    claim = step.claim.event
    assert isinstance(claim, ToolExecutionRequested)
    attributes: dict[str, Any] = {
        semconv.OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
        semconv.TOOL_NAME: claim.tool_name,
        semconv.TOOL_TYPE: "function",
        semconv.OUR_ATTEMPT: claim.attempt,
    }
    if claim.call_id:
        attributes[semconv.TOOL_CALL_ID] = claim.call_id
    if scope.capture_content:
        attributes[semconv.TOOL_CALL_ARGUMENTS] = claim.arguments
        if step.outcome and isinstance(step.outcome.event, ToolExecutionCompleted):
            attributes[semconv.TOOL_CALL_RESULT] = step.outcome.event.result
    return f"{semconv.OPERATION_EXECUTE_TOOL} {claim.tool_name}", attributes
