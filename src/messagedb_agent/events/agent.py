"""What the agent asked its model, and what the model said."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from messagedb_agent.events.base import RUN_METADATA, Event, JSONObject


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """
    The model wants a tool to run.

    `arguments` is a JSON object, or the raw text the model produced when that was no object.
    """

    id: str = ""
    name: str = ""
    arguments: Any = None


class AgentConfigured(Event, frozen=True, kw_only=True):
    """
    What every request carries from here on: prompt, tools and parameters, exactly as sent.

    Requests are built from this event and not from today's code, so that a stored
    conversation stays a valid prefix of the next request. `sha256` is the digest of the
    other fields in canonical JSON.
    """

    IS_SHARED: ClassVar[bool] = True

    system_prompt: str = ""
    tools: tuple[JSONObject, ...] = ()
    model_name: str = ""
    parameters: JSONObject = msgspec.field(default_factory=dict)
    sha256: str = ""


class LLMCallRequested(Event, frozen=True, kw_only=True):
    """
    The claim of a model step: this process is about to call the model.

    `projected_context` is the recipe of the request, never the request: the position up to
    which it was projected, by which projection in which version, how many messages came
    out, and the digest of the canonical request. The run that makes the claim has `run_id`;
    one with a bound on its time may take `run_timeout` seconds, until `run_deadline` (UTC).
    """

    METADATA: ClassVar[frozenset[str]] = RUN_METADATA | {"attempt"}

    model_name: str = ""
    projected_context: Any = None
    attempt: int = 1
    run_id: str | None = None
    run_timeout: float | None = None
    run_deadline: str | None = None


class LLMResponseReceived(Event, frozen=True, kw_only=True):
    """
    The outcome of a model step: the complete answer.

    `content` keeps the provider's own blocks in order, untouched, and `api` names the
    protocol they belong to (anthropic, gemini, openai); text and tool calls are the neutral
    view of them. `token_usage` counts tokens: input_tokens, output_tokens,
    total_tokens, cache_read_tokens, cache_write_tokens. `details` are the provider's own
    words: its id of the response, the model that served it, why it stopped.
    """

    METADATA: ClassVar[frozenset[str]] = frozenset({"retry_count"})

    response_text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    model_name: str = ""
    token_usage: Any = None
    stop_reason: str | None = None
    content: tuple[JSONObject, ...] | None = None
    api: str | None = None
    latency_ms: int | None = None
    details: JSONObject | None = None
    retry_count: int = 0


class LLMCallFailed(Event, frozen=True, kw_only=True):
    """
    An attempt to call the model ended without an answer; `retryable`: another one follows.

    It is due at `retry_at`; `first_attempt_at` is when the first one for this answer began
    (both UTC), so that whoever makes the next knows what pause and what time are left. It took
    `latency_ms` to end.
    """

    error_message: str = ""
    retry_count: int = 0
    error_type: str | None = None
    retryable: bool | None = None
    retry_at: str | None = None
    first_attempt_at: str | None = None
    latency_ms: int | None = None


class LLMCallStarted(Event, frozen=True, kw_only=True):
    """The claim of a model step as earlier programs wrote it."""

    model_name: str | None = None
