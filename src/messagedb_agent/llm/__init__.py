"""Models: real ones behind their SDKs, and stand-ins. Importing this imports no SDK."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.base import (
    LLM,
    Completion,
    Delta,
    ModelRequest,
    StopReason,
    Usage,
    ignore_delta,
)
from messagedb_agent.llm.catalog import create_llm_client, default_model_name, preload
from messagedb_agent.llm.settings import ModelSettings
from messagedb_agent.projections.messages import Message

LLMResponse = Completion


def call_llm(
    client: LLM,
    messages: Sequence[Message],
    tools: Sequence[JSONObject] = (),
    system_prompt: str = "",
    *,
    parameters: JSONObject | None = None,
    on_delta: Callable[[Delta], None] = ignore_delta,
    cancelled: Cancellation = NEVER,
) -> Completion:
    """
    Ask a model once: no events, no retries.

    `tools` are declarations `{name, description, parameters}`. Raises `ModelCallError` when
    the call fails and `ModelUnavailableError` when the model can't be used at all.
    """
    request = ModelRequest(
        model_name=client.model_name,
        system_prompt=system_prompt,
        tools=tuple(tools),
        messages=tuple(messages),
        parameters=parameters or {},
    )
    return client.complete(request, on_delta=on_delta, cancelled=cancelled)


__all__ = [
    "LLM",
    "Cancellation",
    "Completion",
    "Delta",
    "LLMResponse",
    "Message",
    "ModelRequest",
    "ModelSettings",
    "StopReason",
    "ToolCall",
    "Usage",
    "call_llm",
    "create_llm_client",
    "default_model_name",
    "preload",
]
