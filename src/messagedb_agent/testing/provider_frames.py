"""One described answer in the streaming dialect of each provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec


class ReplyCall(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is the JSON text as the model writes it."""

    name: str
    arguments: str = "{}"
    id: str = ""
    signature: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """
    What the server answers to one request.

    A `fault` happens before frame number `after`: the answer is dropped before its headers,
    cut hard, ended as if it were complete, continued with garbage, or with an error frame
    (`body`). `silence` is a pause at that place. `frames` replaces what would be generated.
    """

    text: str = ""
    thinking: str = ""
    signature: str = ""
    redacted: str = ""
    calls: tuple[ReplyCall, ...] = ()
    stop: str = ""
    input_tokens: int = 12
    output_tokens: int = 7
    cached_tokens: int = 0
    written_tokens: int = 0
    status: int = 200
    headers: dict[str, str] = {}
    body: Any = None
    fault: Literal["", "drop", "cut", "end", "garbage", "error"] = ""
    after: int = 0
    silence: float = 0.0
    frames: tuple[bytes, ...] | None = None


def anthropic_frames(reply: Reply) -> Iterator[bytes]:
    """`event:` and `data:` lines, from message_start to message_stop."""
    usage = {
        "input_tokens": reply.input_tokens,
        "cache_creation_input_tokens": reply.written_tokens,
        "cache_read_input_tokens": reply.cached_tokens,
        "output_tokens": 1,
    }
    message: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    yield _event({"type": "message_start", "message": message})
    yield _event({"type": "ping"})
    for index, (block, deltas) in enumerate(_anthropic_blocks(reply)):
        yield _event({"type": "content_block_start", "index": index, "content_block": block})
        for delta in deltas:
            yield _event({"type": "content_block_delta", "index": index, "delta": delta})
        yield _event({"type": "content_block_stop", "index": index})
    stop = reply.stop or ("tool_use" if reply.calls else "end_turn")
    yield _event(
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": reply.output_tokens},
        }
    )
    yield _event({"type": "message_stop"})


def _anthropic_blocks(reply: Reply) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    if reply.thinking or reply.signature:
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _cut(reply.thinking)]
        deltas.append({"type": "signature_delta", "signature": reply.signature})
        yield {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if reply.redacted:
        yield {"type": "redacted_thinking", "data": reply.redacted}, []
    if reply.text:
        deltas = [{"type": "text_delta", "text": piece} for piece in _cut(reply.text)]
        yield {"type": "text", "text": ""}, deltas
    for number, call in enumerate(reply.calls):
        block = {
            "type": "tool_use",
            "id": call.id or f"toolu_{number}",
            "name": call.name,
            "input": {},
        }
        pieces = ["", *_cut(call.arguments)]
        yield block, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]


def gemini_frames(reply: Reply) -> Iterator[bytes]:
    """Bare `data:` lines; the last one has the finish reason and the usage."""
    parts: list[dict[str, Any]] = []
    parts += [{"text": piece, "thought": True} for piece in _cut(reply.thinking)]
    parts += [{"text": piece} for piece in _cut(reply.text)]
    for call in reply.calls:
        function = {"name": call.name, "args": json.loads(call.arguments)}
        signed = {"thoughtSignature": call.signature} if call.signature else {}
        parts.append({"functionCall": function | ({"id": call.id} if call.id else {}), **signed})
    if reply.signature:
        parts.append({"text": "", "thoughtSignature": reply.signature})
    for part in parts:
        content = {"role": "model", "parts": [part]}
        yield _data({"candidates": [{"content": content, "index": 0}], "modelVersion": "g"})
    usage = {
        "promptTokenCount": reply.input_tokens,
        "cachedContentTokenCount": reply.cached_tokens,
        "candidatesTokenCount": reply.output_tokens,
        "thoughtsTokenCount": 2,
        "totalTokenCount": reply.input_tokens + reply.output_tokens + 2,
    }
    last = {"finishReason": reply.stop or "STOP", "index": 0}
    yield _data({"candidates": [last], "usageMetadata": usage, "responseId": "r1"})


def openai_frames(reply: Reply) -> Iterator[bytes]:
    """Bare `data:` lines, the usage after the finish reason, and `[DONE]`."""
    yield _chunk({"role": "assistant", "content": ""})
    for piece in _cut(reply.thinking):
        yield _chunk({"reasoning_content": piece})
    for piece in _cut(reply.text):
        yield _chunk({"content": piece})
    for index, call in enumerate(reply.calls):
        head = {"index": index, "id": call.id, "type": "function"}
        yield _chunk({"tool_calls": [head | {"function": {"name": call.name, "arguments": ""}}]})
        for piece in _cut(call.arguments):
            yield _chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield _chunk({}, finish_reason=reply.stop or ("tool_calls" if reply.calls else "stop"))
    usage = {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
        "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
    }
    yield _data({**_CHUNK, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"


_CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "test"}


def _chunk(delta: dict[str, Any], finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return _data({**_CHUNK, "choices": [choice]})


def _cut(text: str) -> list[str]:
    """Two pieces of a text, so that joining them is tested."""
    middle = (len(text) + 1) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def _event(data: dict[str, Any]) -> bytes:
    return f"event: {data['type']}\n".encode() + _data(data)


def _data(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()
