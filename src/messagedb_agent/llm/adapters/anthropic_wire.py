"""The Anthropic Messages protocol, version 2026-10-21. Pure."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Final

from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.anthropic_thinking import thinking_fields
from messagedb_agent.llm.adapters.turns import (
    AssistantTurn,
    arguments_object,
    canonical,
    known,
    pair,
    parse_arguments,
    result_text,
    to_json,
    user_blocks,
)
from messagedb_agent.llm.base import Completion, Delta, ModelRequest, StopReason, Usage
from messagedb_agent.projections.messages import AssistantMessage, UserMessage

API: Final = "anthropic"

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}
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
    if schema := parameters.get("response_schema"):
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


class _Assembly:
    """A message as far as its stream has told it."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._blocks: dict[int, dict[str, Any]] = {}
        self._inputs: dict[int, str] = {}
        self._ended = False

    def take(self, event: JSONObject) -> Delta | None:
        match event:
            case {"type": "message_start", "message": Mapping() as start}:
                self._message = dict(start)
            case {"type": "content_block_start", "index": int(index), "content_block": block}:
                self._blocks[index], self._inputs[index] = dict(block), ""
            case {"type": "content_block_delta", "index": int(index), "delta": delta}:
                self._inputs[index] += delta.get("partial_json") or ""
                return _extend(self._blocks[index], delta)
            case {"type": "message_delta", "delta": delta}:
                usage = _merged(self._message.get("usage"), event.get("usage"))
                self._message |= {**delta, "usage": usage}
            case {"type": "message_stop"}:
                self._ended = True
            case _:
                pass
        return None

    def whole(self) -> JSONObject:
        if not self._ended or self._message.get("stop_reason") is None:
            # The SDK takes a stream that just ends for a complete one.
            raise ModelCallError(
                "the model's answer broke off before its end",
                error_type="truncated",
                retryable=True,
            )
        for index, text in self._inputs.items():
            if text:
                self._blocks[index]["input"] = parse_arguments(text)
        self._doubt_the_last_call()
        return self._message | {"content": [self._blocks[i] for i in sorted(self._blocks)]}

    def _doubt_the_last_call(self) -> None:
        """A call that was cut before its arguments began must not run without them."""
        last = max(self._blocks, default=None)
        whole = self._message["stop_reason"] in {"tool_use", "end_turn", "pause_turn"}
        if whole or last is None or self._inputs[last]:
            return
        if self._blocks[last].get("type") == "tool_use":
            self._blocks[last]["input"] = ""


def from_stream(
    events: Iterable[JSONObject], request: ModelRequest
) -> Generator[Delta, None, Completion]:
    """Give the deltas of a stream, and return the answer when it is complete."""
    assembly = _Assembly()
    for event in events:
        if delta := assembly.take(event):
            yield delta
    return from_response(assembly.whole(), request)


def _extend(block: dict[str, Any], delta: JSONObject) -> Delta | None:
    match delta:
        case {"type": "text_delta", "text": str(text)}:
            block["text"] = block.get("text", "") + text
            return Delta(text)
        case {"type": "thinking_delta", "thinking": str(text)}:
            block["thinking"] = block.get("thinking", "") + text
            return Delta(text, "thinking")
        case {"type": "signature_delta", "signature": signature}:
            block["signature"] = signature
        case {"type": "citations_delta", "citation": citation}:
            block["citations"] = [*(block.get("citations") or []), citation]
        case _:
            pass
    return None


def _merged(first: Any, later: Any) -> dict[str, Any]:
    """Counts of a stream are cumulative, and later events leave some out."""
    known = {key: value for key, value in (later or {}).items() if value is not None}
    return {**(first or {}), **known}


def from_response(message: JSONObject, request: ModelRequest) -> Completion:
    """The answer in a whole message; an `input` that is no object is kept as raw text."""
    blocks = message.get("content") or []
    calls = tuple(
        ToolCall(block.get("id", ""), block.get("name", ""), block.get("input", {}))
        for block in blocks
        if block.get("type") == "tool_use"
    )
    raw_reason = str(message.get("stop_reason"))
    return Completion(
        text="".join(block.get("text", "") for block in blocks if block.get("type") == "text"),
        tool_calls=calls,
        model_name=request.model_name,
        usage=_usage(message.get("usage") or {}),
        stop_reason=_STOP_REASONS.get(raw_reason, "tool_use" if calls else "end_turn"),
        content=tuple(_sendable(block) for block in blocks),
        api=API,
        details=known(
            id=message.get("id"),
            model=message.get("model"),
            stop_reason=raw_reason,
            stop_details=message.get("stop_details"),
        ),
    )


def _sendable(block: JSONObject) -> JSONObject:
    if block.get("type") != "tool_use" or isinstance(block.get("input"), Mapping):
        return block
    return {**block, "input": arguments_object(block.get("input"))}


def _usage(raw: JSONObject) -> Usage:
    cached, written = raw.get("cache_read_input_tokens"), raw.get("cache_creation_input_tokens")
    tokens_in = (raw.get("input_tokens") or 0) + (cached or 0) + (written or 0)
    tokens_out = raw.get("output_tokens") or 0
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=tokens_in + tokens_out,
        cache_read_tokens=cached,
        cache_write_tokens=written,
    )
