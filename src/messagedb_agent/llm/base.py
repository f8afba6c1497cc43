"""What a model is to the engine, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.projections.messages import Message

StopReason: TypeAlias = Literal[
    "end_turn", "tool_use", "max_tokens", "pause", "refusal", "safety", "context_window"
]
"""Why a model stopped, in one vocabulary for all providers; the raw word stays in `content`."""


class ModelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    One call, before any provider's dialect.

    `tools` are function declarations `{name, description, parameters}` with JSON Schema
    parameters. `attempt` counts from 1 and is for the model stand-ins only.
    """

    model_name: str
    system_prompt: str
    tools: tuple[JSONObject, ...]
    messages: Sequence[Message]
    parameters: JSONObject = {}
    attempt: int = 1


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one call. `input_tokens` includes what was read from or written to a cache."""

    # In the order of JSONB, as in `recipe`.
    input_tokens: int = 0
    total_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer. `content`, `api` and `details` are as in `LLMResponseReceived`."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    model_name: str = ""
    usage: Usage = Usage()
    stop_reason: StopReason = "end_turn"
    content: tuple[JSONObject, ...] = ()
    api: str | None = None
    details: JSONObject = {}


class Delta(msgspec.Struct, frozen=True):
    """A piece of an answer while it is generated; never stored."""

    text: str
    kind: Literal["text", "thinking"] = "text"


def ignore_delta(_delta: Delta, /) -> None:
    """The `on_delta` of those who only want the answer."""


class LLM(Protocol):
    """
    A model behind its provider's SDK, or a stand-in for one.

    Implementations keep no conversation: the request has all of it. They never retry; the
    engine does, so that each attempt is an event.
    """

    @property
    def model_name(self) -> str:
        """The name as configured, which is what events record."""
        ...

    def complete(
        self,
        request: ModelRequest,
        *,
        on_delta: Callable[[Delta], None] = ignore_delta,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        """
        Answer the request, giving pieces to `on_delta` as they come.

        Raises `ModelCallError` when the call failed, and `ModelUnavailableError` when the
        model can't be used as things are set up (no SDK, no credentials).
        """
        ...
