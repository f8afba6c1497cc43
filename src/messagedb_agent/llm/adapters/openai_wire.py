"""The OpenAI chat completions protocol, as OpenAI, Ollama, vLLM and llama.cpp speak it. Pure."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Any, Final

from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.openai_schema import strictly
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

API: Final = "openai"

_STOP_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "safety",
}


def to_request(request: ModelRequest, model: str, *, is_openai: bool = False) -> dict[str, Any]:
    """
    The body of a streaming request.

    `is_openai` tells the company's own service from compatible servers: it refuses the
    `max_tokens` that all the others know.
    """
    parameters = request.parameters
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(request),
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [{"type": "function", "function": _function(t)} for t in request.tools]
    if limit := parameters.get("max_output_tokens"):
        body["max_completion_tokens" if is_openai else "max_tokens"] = limit
    if parameters.get("temperature") is not None:
        body["temperature"] = parameters["temperature"]
    if effort := (parameters.get("thinking") or {}).get("effort"):
        body["reasoning_effort"] = str(effort).lower()
    if schema := parameters.get("response_schema"):
        strict = strictly(schema)
        named = {"name": "answer", "schema": strict or schema, "strict": strict is not None}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    cleaned: dict[str, Any] = canonical(body)
    return cleaned


def sent(arguments: dict[str, Any]) -> dict[str, Any]:
    """The body of an HTTP request with these arguments."""
    return arguments | {"stream": True}


def _function(tool: JSONObject) -> JSONObject:
    return {
        "name": tool["name"],
        "description": tool.get("description", ""),
        "parameters": tool.get("parameters") or {"type": "object", "properties": {}},
    }


def _messages(request: ModelRequest) -> list[JSONObject]:
    messages: list[JSONObject] = []
    if request.system_prompt.strip():
        messages.append({"role": "system", "content": request.system_prompt})
    for turn in pair(request.messages):
        if isinstance(turn, UserMessage):
            messages.append({"role": "user", "content": _user_content(turn)})
            continue
        if answer := _answer(turn.message):
            messages.append(answer)
        messages.extend(_results(turn))
    return messages


def _user_content(message: UserMessage) -> str | list[JSONObject]:
    blocks = user_blocks(message)
    if all(block.get("type") == "text" for block in blocks):
        return "\n\n".join(str(block["text"]) for block in blocks)
    return [_user_block(block) for block in blocks]


def _user_block(block: JSONObject) -> JSONObject:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"type": "text", "text": text}
        case {"type": "image", "media_type": media_type, "data": data}:
            return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{data}"}}
        case {"type": "file", "media_type": media_type, "data": data}:
            file = {
                "filename": block.get("name") or "attachment",
                "file_data": f"data:{media_type};base64,{data}",
            }
            return {"type": "file", "file": file}
        case _:
            return {"type": "text", "text": to_json(block)}


def _answer(message: AssistantMessage) -> JSONObject | None:
    own = message.content[0] if message.api == API and message.content else {}
    answer: dict[str, Any] = {**own, "role": "assistant", "content": own.get("content")}
    if message.api != API or not own:
        answer["content"] = message.text
    if message.tool_calls:
        raw = [*(own.get("tool_calls") or []), *({} for _ in message.tool_calls)]
        answer["tool_calls"] = [
            _tool_call(call, as_sent)
            for call, as_sent in zip(message.tool_calls, raw, strict=False)
        ]
        answer["content"] = answer["content"] or None
    elif not str(answer["content"] or "").strip():
        return None
    return answer


def _tool_call(call: ToolCall, raw: JSONObject) -> JSONObject:
    """The call as it came, `raw` being empty when it came by another protocol."""
    arguments = (raw.get("function") or {}).get("arguments")
    if not isinstance(arguments, str) or not isinstance(call.arguments, Mapping):
        # Servers parse the arguments to fill a template, and break on those that aren't JSON.
        arguments = to_json(arguments_object(call.arguments))
    return {
        **{key: value for key, value in raw.items() if key != "index"},
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": arguments or "{}"},
    }


def _results(turn: AssistantTurn) -> list[JSONObject]:
    return [
        {
            "role": "tool",
            "tool_call_id": call.id,
            "content": f"{'Error: ' if result.is_error else ''}{result_text(result)}",
        }
        for call, result in turn.results
    ]


def from_stream(
    events: Iterable[JSONObject], request: ModelRequest
) -> Generator[Delta, None, Completion]:
    """Give the deltas of a stream, and return the answer when it is complete."""
    message: dict[str, Any] = {"role": "assistant"}
    calls: list[dict[str, Any]] = []
    usage: Any = None
    reason: str | None = None
    served: dict[str, Any] = {}
    for event in events:
        served |= {key: event[key] for key in ("id", "model") if event.get(key)}
        usage = event.get("usage") or usage
        for choice in event.get("choices") or []:
            reason = choice.get("finish_reason") or reason
            delta = choice.get("delta") or {}
            for key in ("content", "refusal", "reasoning_content", "reasoning"):
                if isinstance(piece := delta.get(key), str) and piece:
                    message[key] = message.get(key, "") + piece
                    yield Delta(piece, "thinking" if key.startswith("reasoning") else "text")
            for piece in delta.get("tool_calls") or []:
                _extend(calls, piece)
    if reason is None:
        # The SDK takes a stream that just ends for a complete one.
        raise ModelCallError(
            "the model's answer broke off before its end", error_type="truncated", retryable=True
        )
    if calls:
        message["tool_calls"] = calls
    choice = {"message": message, "finish_reason": reason}
    return from_response({**served, "choices": [choice], "usage": usage}, request)


def _extend(calls: list[dict[str, Any]], piece: JSONObject) -> None:
    """Add a piece to its call; some servers give every call the index 0, but a new id."""
    function = piece.get("function") or {}
    index, call_id = piece.get("index"), piece.get("id") or ""
    same = [call for call in calls if call["index"] == index and call_id in {"", call["id"]}]
    if not same or (function.get("name") and same[-1]["function"]["name"] and not call_id):
        calls.append(
            {
                "index": index,
                "id": call_id,
                "type": "function",
                "function": {
                    "name": function.get("name") or "",
                    "arguments": function.get("arguments") or "",
                },
                **{k: v for k, v in piece.items() if k not in {"index", "id", "type", "function"}},
            }
        )
        return
    entry = same[-1]["function"]
    entry["name"] = entry["name"] or function.get("name") or ""
    entry["arguments"] += function.get("arguments") or ""


def from_response(response: JSONObject, request: ModelRequest) -> Completion:
    """The answer in a whole response; ids that are missing or not unique are replaced."""
    choice = next(iter(response.get("choices") or []), None) or {}
    message = choice.get("message") or {}
    calls: list[ToolCall] = []
    for number, raw in enumerate(message.get("tool_calls") or []):
        call_id = raw.get("id") or ""
        if not call_id or any(call.id == call_id for call in calls) or _is_used(call_id, request):
            call_id = f"call_{len(request.messages)}_{number}"
        function = raw.get("function") or {}
        arguments = function.get("arguments") or ""
        # Ollama has been seen to send an object where the protocol has text.
        parsed = arguments if isinstance(arguments, Mapping) else parse_arguments(arguments)
        if not arguments and choice.get("finish_reason") in {"length", "content_filter"}:
            # Cut before its arguments began: it must not run without them.
            parsed = ""
        calls.append(ToolCall(call_id, function.get("name") or "", parsed))
    text = message.get("content") or ""
    stop = _STOP_REASONS.get(str(choice.get("finish_reason")), "end_turn")
    if message.get("refusal"):
        text, stop = text or message["refusal"], "refusal"
    elif calls and stop == "end_turn":
        stop = "tool_use"
    return Completion(
        text=text,
        tool_calls=tuple(calls),
        model_name=request.model_name,
        usage=_usage(response.get("usage") or {}),
        stop_reason=stop,
        content=(message,) if message.keys() - {"role"} else (),
        api=API,
        details=known(
            id=response.get("id"),
            model=response.get("model"),
            stop_reason=choice.get("finish_reason"),
        ),
    )


def _is_used(call_id: str, request: ModelRequest) -> bool:
    return any(
        call.id == call_id
        for message in request.messages
        if isinstance(message, AssistantMessage)
        for call in message.tool_calls
    )


def _usage(raw: JSONObject) -> Usage:
    tokens_in, tokens_out = raw.get("prompt_tokens") or 0, raw.get("completion_tokens") or 0
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=raw.get("total_tokens") or tokens_in + tokens_out,
        cache_read_tokens=(raw.get("prompt_tokens_details") or {}).get("cached_tokens"),
    )
