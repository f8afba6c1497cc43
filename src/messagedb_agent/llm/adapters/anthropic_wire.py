"""What the Anthropic Messages protocol, version 2026-10-21, is sent. Pure."""

from __future__ import annotations

import re
from typing import Any, Final

from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.anthropic_schema import taken
from messagedb_agent.llm.adapters.anthropic_thinking import thinking_fields
from messagedb_agent.llm.adapters.turns import (
    AssistantTurn,
    arguments_object,
    canonical,
    pair,
    result_text,
    to_json,
    user_blocks,
)
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.messages import AssistantMessage, UserMessage

API: Final = "anthropic"
VERTEX_VERSION: Final = "2026-10-21"

_CACHE_MARK = {"type": "ephemeral"}
_THINKING = {"thinking", "redacted_thinking"}


def to_request(request: ModelRequest, model: str) -> dict[str, Any]:
    """
    The body of a streaming request.

    Cache marks move to the end as the conversation grows; apart from them each request is
    the previous one plus new messages. Temperature is left out: the protocol has none.
    """
    parameters = request.parameters
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request),
        **thinking_fields(parameters, model),
    }
    if schema := taken(parameters.get("response_schema") or {}, model):
        form = {"type": "json_schema", "schema": schema}
        body["output_config"] = {**body.get("output_config", {}), "format": form}
    if request.system_prompt.strip():
        body["system"] = [{"type": "text", "text": request.system_prompt}]
    if request.tools:
        body["tools"] = [
            {
                "name": tool["name"],
                "description": tool.get("description", ""),
                "input_schema": tool.get("parameters") or {"type": "object"},
            }
            for tool in request.tools
        ]
    body = canonical(body)
    _mark_for_cache(body)
    return body


def sent(arguments: dict[str, Any]) -> dict[str, Any]:
    """The body of an HTTP request with these arguments to Anthropic's own service."""
    return arguments | {"stream": True}


def sent_to_vertex(arguments: dict[str, Any]) -> dict[str, Any]:
    """The same on Vertex AI, where the address names the model."""
    body = sent(arguments) | {"anthropic_version": VERTEX_VERSION}
    del body["model"]
    return body


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for turn in pair(request.messages):
        if isinstance(turn, UserMessage):
            blocks = [_user_block(block) for block in user_blocks(turn)]
            messages.append({"role": "user", "content": blocks})
            continue
        if content := _answer(turn.message, request.model_name):
            messages.append({"role": "assistant", "content": content})
        if turn.results:
            messages.append({"role": "user", "content": _results(turn)})
    return messages


def _user_block(block: JSONObject) -> JSONObject:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image" | "file" as kind, "media_type": str(media_type), "data": data}:
            source = {"type": "base64", "media_type": media_type, "data": data}
            return {"type": "image" if kind == "image" else "document", "source": source}
        case _:
            return {"type": "text", "text": to_json(block)}


def _answer(message: AssistantMessage, model_name: str) -> list[JSONObject]:
    if message.api == API and message.content:
        same_model = message.model_name in {"", model_name}
        blocks = [block for block in message.content if _is_accepted(block, same_model=same_model)]
        while blocks and blocks[-1].get("type") in _THINKING:
            # An answer that was cut while it thought: no message may end like that.
            blocks.pop()
        return blocks
    text = [{"type": "text", "text": message.text}] if message.text.strip() else []
    return [*text, *(_tool_use(call) for call in message.tool_calls)]


def _is_accepted(block: JSONObject, *, same_model: bool) -> bool:
    """Blank text is refused, and a thinking block is bound to its model."""
    if block.get("type") == "text":
        return bool(str(block.get("text", "")).strip())
    return same_model or block.get("type") not in _THINKING


def _tool_use(call: ToolCall) -> JSONObject:
    return {
        "type": "tool_use",
        "id": _valid_id(call.id),
        "name": call.name,
        "input": arguments_object(call.arguments),
    }


def _valid_id(call_id: str) -> str:
    """Another provider's id in the alphabet that this one takes."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", call_id) or "call"


def _results(turn: AssistantTurn) -> list[dict[str, Any]]:
    return [
        {
            "type": "tool_result",
            "tool_use_id": call.id if turn.message.api == API else _valid_id(call.id),
            "content": result_text(result),
            **({"is_error": True} if result.is_error else {}),
        }
        for call, result in turn.results
    ]


def _mark_for_cache(body: dict[str, Any]) -> None:
    """
    At most four marks: tools, system, the end, and where the end was one answer earlier.

    The provider looks back only 20 blocks for a cached prefix, and a turn with many parallel
    calls adds more than that; the earlier mark finds the last request's entry again.
    """
    for part in ("tools", "system"):
        if body.get(part):
            body[part][-1]["cache_control"] = dict(_CACHE_MARK)
    answers = [i for i, message in enumerate(body["messages"]) if message["role"] == "assistant"]
    ends = {len(body["messages"]) - 1, answers[-1] - 1 if answers else -1}
    for index in ends - {-1}:
        message = body["messages"][index]
        if message["role"] == "user":
            message["content"][-1]["cache_control"] = dict(_CACHE_MARK)
