"""What the Anthropic Messages protocol answers. Pure."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any

from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.anthropic_wire import API
from messagedb_agent.llm.adapters.turns import arguments_object, known, parse_arguments
from messagedb_agent.llm.base import Completion, Delta, ModelRequest, StopReason, Usage

_STOP_REASONS: dict[str, StopReason] = {
    "end_turn": "end_turn",
    "stop_sequence": "end_turn",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "pause_turn": "pause",
    "refusal": "refusal",
    "model_context_window_exceeded": "context_window",
}


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
