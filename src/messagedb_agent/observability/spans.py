"""What a span is here: worked out from events, without any SDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from messagedb_agent.events.agent import AgentConfigured, LLMCallFailed, LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.system import LimitReached
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.observability import semconv
from messagedb_agent.observability.identity import SpanRef

AGENT_NAME = "messagedb-agent"
INTERRUPTED = "interrupted"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_USAGE = {
    "input_tokens": semconv.USAGE_INPUT_TOKENS,
    "output_tokens": semconv.USAGE_OUTPUT_TOKENS,
    "cache_read_tokens": semconv.USAGE_CACHE_READ,
    "cache_write_tokens": semconv.USAGE_CACHE_CREATION,
}


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """
    A finished span. Times are nanoseconds since 1970.

    `recovered` marks one that is told by a later process than the one that did the work:
    nobody knows whether that one still told it, so it may arrive twice, with the same ids.
    """

    name: str
    ref: SpanRef
    parent_id: int | None
    start: int
    end: int
    attributes: Mapping[str, Any]
    is_client: bool = False
    error_type: str | None = None
    error_message: str | None = None
    recovered: bool = False

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.end - self.start) / 1e9


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """
    The run that spans are about: its own span, and the turn it is part of.

    `run_id` is None for the run of another process.
    """

    run: SpanRef
    parent_id: int | None
    thread_id: str
    began: RecordedEvent
    run_id: str | None = None
    configured: AgentConfigured | None = None
    capture_content: bool = False


def nanoseconds(time: datetime) -> int:
    """The time of an event, which is UTC, exactly."""
    return (time.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


def usage_of(answer: LLMResponseReceived) -> dict[str, int]:
    """The tokens of a response, under the names of the conventions."""
    usage = answer.token_usage if isinstance(answer.token_usage, dict) else {}
    return {key: usage[name] for name, key in _USAGE.items() if isinstance(usage.get(name), int)}


def output_message(answer: LLMResponseReceived) -> dict[str, Any]:
    """A response in the form that the conventions give to messages."""
    parts: list[dict[str, Any]] = []
    if answer.response_text:
        parts.append({"type": "text", "content": answer.response_text})
    parts += [
        {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
        for call in answer.tool_calls
    ]
    return {"role": "assistant", "parts": parts, "finish_reason": answer.stop_reason or ""}


def run_span(
    records: Sequence[RecordedEvent], scope: Scope, stop: str, *, recovered: bool = False
) -> Span:
    """The span of a run: from the first event that it wrote in the turn to the last."""
    error_type = _error_type(records, stop)
    answers = [r.event for r in records if isinstance(r.event, LLMResponseReceived)]
    attributes: dict[str, Any] = {
        semconv.OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT,
        semconv.AGENT_NAME: AGENT_NAME,
        semconv.CONVERSATION_ID: scope.thread_id,
        semconv.OUR_STREAM: records[0].stream_name,
        semconv.OUR_POSITION: records[0].position,
        semconv.OUR_STOP: stop,
        **_total_usage(answers),
    }
    if scope.run_id is not None:
        attributes[semconv.OUR_RUN_ID] = scope.run_id
    if scope.configured is not None:
        provider, model = semconv.provider_of(scope.configured.model_name)
        attributes |= {semconv.PROVIDER_NAME: provider, semconv.REQUEST_MODEL: model}
    if error_type is not None:
        attributes[semconv.ERROR_TYPE] = error_type
    if scope.capture_content:
        attributes |= _content(scope.began, answers)
    return Span(
        name=f"{semconv.OPERATION_INVOKE_AGENT} {AGENT_NAME}",
        ref=scope.run,
        parent_id=scope.parent_id,
        start=nanoseconds(records[0].time),
        end=nanoseconds(records[-1].time),
        attributes=attributes,
        error_type=error_type,
        recovered=recovered,
    )


def _error_type(records: Sequence[RecordedEvent], stop: str) -> str | None:
    """What the run ended by, as the conventions want it: a class of errors, not that it is one."""
    if stop == INTERRUPTED:
        return stop
    if stop not in ("failed", "limit"):
        return None
    for record in reversed(records):
        match record.event:
            case LLMCallFailed(error_type=name) | LimitReached(limit=name):
                return name or semconv.ERROR_OTHER
    return semconv.ERROR_OTHER


def _total_usage(answers: Sequence[LLMResponseReceived]) -> dict[str, int]:
    total: dict[str, int] = {}
    for answer in answers:
        for key, count in usage_of(answer).items():
            total[key] = total.get(key, 0) + count
    return total


def _content(began: RecordedEvent, answers: Sequence[LLMResponseReceived]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if isinstance(began.event, UserMessageAdded):
        said = {"type": "text", "content": began.event.message}
        attributes[semconv.INPUT_MESSAGES] = [{"role": "user", "parts": [said]}]
    if answers:
        attributes[semconv.OUTPUT_MESSAGES] = [output_message(answers[-1])]
    return attributes
