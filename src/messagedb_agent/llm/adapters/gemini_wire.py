"""
The Gemini protocol (`streamGenerateContent`) as the SDK speaks it. Pure.

Parts are kept as the SDK gives them, signatures in base64. History of another protocol is
told as text by the user: calls without a thought signature would be refused, and calls told
as the model's own words would be imitated.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Mapping
from typing import Any, Final

from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.anthropic_thinking import BUDGETS
from messagedb_agent.llm.adapters.turns import (
    AssistantTurn,
    canonical,
    known,
    pair,
    result_text,
    to_json,
    user_blocks,
)
from messagedb_agent.llm.base import Completion, Delta, ModelRequest, StopReason, Usage
from messagedb_agent.projections.messages import AssistantMessage, ToolResult, UserMessage

API: Final = "gemini"

_STOP_REASONS: dict[str, StopReason] = {
    "STOP": "end_turn",
    "MAX_TOKENS": "max_tokens",
    "CONTINUATION": "max_tokens",
    "SAFETY": "safety",
    "RECITATION": "safety",
    "BLOCKLIST": "safety",
    "PROHIBITED_CONTENT": "safety",
    "SPII": "safety",
    "IMAGE_SAFETY": "safety",
    "MODEL_ARMOR": "safety",
}
_FAILURES: dict[str, tuple[str, bool]] = {
    "MALFORMED_FUNCTION_CALL": ("malformed", True),
    "MALFORMED_RESPONSE": ("malformed", True),
    "UNEXPECTED_TOOL_CALL": ("malformed", True),
    "TOO_MANY_TOOL_CALLS": ("malformed", False),
    "MISSING_THOUGHT_SIGNATURE": ("invalid_request", False),
    "OTHER": ("server_error", True),
}
_PLAIN = {"text", "thought"}


def to_request(request: ModelRequest, model: str) -> dict[str, Any]:
    """The arguments of `generate_content_stream`."""
    parameters = request.parameters
    config: dict[str, Any] = {"automatic_function_calling": {"disable": True}}
    if prompt := _prompt(request, model):
        config["system_instruction"] = prompt
    if request.tools:
        config["tools"] = [{"function_declarations": [_function(t) for t in request.tools]}]
    if limit := parameters.get("max_output_tokens"):
        config["max_output_tokens"] = limit
    if parameters.get("temperature") is not None:
        config["temperature"] = parameters["temperature"]
    thinking = parameters.get("thinking") or {}
    if budget := thinking.get("budget"):
        config["thinking_config"] = {"include_thoughts": True, "thinking_budget": budget}
    elif (effort := thinking.get("effort")) and _is_before_3(model):
        budget = BUDGETS.get(str(effort).lower(), BUDGETS["high"])
        config["thinking_config"] = {"include_thoughts": True, "thinking_budget": budget}
    elif effort:
        level = str(effort).upper().replace("MAX", "XHIGH")
        config["thinking_config"] = {"include_thoughts": True, "thinking_level": level}
    schema = parameters.get("response_schema")
    if schema and not _is_told(request, model):
        config |= {"response_mime_type": "application/json", "response_json_schema": schema}
    body: dict[str, Any] = canonical(
        {"model": model, "contents": _contents(request), "config": config}
    )
    return body


def _prompt(request: ModelRequest, model: str) -> str:
    prompt = request.system_prompt if request.system_prompt.strip() else ""
    if not _is_told(request, model):
        return prompt
    schema = to_json(request.parameters["response_schema"])
    rule = f"When you answer, answer with nothing but JSON that follows this JSON Schema: {schema}"
    return f"{prompt}\n\n{rule}".strip()


def _is_told(request: ModelRequest, model: str) -> bool:
    """Models before Gemini 3 refuse a schema of the answer beside tools, so they are told it."""
    return bool(request.parameters.get("response_schema") and request.tools and _is_before_3(model))


def _is_before_3(model: str) -> bool:
    return re.match(r"gemini-[12]\b", model) is not None


def _function(tool: JSONObject) -> JSONObject:
    return {
        "name": tool["name"],
        "description": tool.get("description", ""),
        "parameters_json_schema": tool.get("parameters") or {"type": "object"},
    }


def _contents(request: ModelRequest) -> list[JSONObject]:
    contents: list[JSONObject] = []
    for turn in pair(request.messages):
        if isinstance(turn, UserMessage):
            parts = [_user_part(block) for block in user_blocks(turn)]
            contents.append({"role": "user", "parts": parts})
            continue
        own = turn.message.api == API and bool(turn.message.content)
        if answer := list(turn.message.content) if own else _text_parts(turn.message):
            contents.append({"role": "model", "parts": answer})
        if turn.results:
            results = _results(turn) if own else [_told(*paired) for paired in turn.results]
            contents.append({"role": "user", "parts": results})
    return contents


def _user_part(block: JSONObject) -> JSONObject:
    match block:
        case {"type": "text", "text": str(text)}:
            return {"text": text}
        case {"type": "image" | "file", "media_type": media_type, "data": data}:
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case _:
            return {"text": to_json(block)}


def _text_parts(message: AssistantMessage) -> list[JSONObject]:
    return [{"text": message.text}] if message.text.strip() else []


def _told(call: ToolCall, result: ToolResult) -> JSONObject:
    outcome = "It failed" if result.is_error else "It returned"
    return {
        "text": f"The tool {call.name} was called with {to_json(call.arguments)}. "
        f"{outcome}: {result_text(result)}"
    }


def _results(turn: AssistantTurn) -> list[JSONObject]:
    """As many responses as calls, in their order, with an id only where the call had one."""
    sent = [part["functionCall"] for part in turn.message.content if "functionCall" in part]
    answers: list[JSONObject] = []
    for raw, (call, result) in zip(sent, turn.results, strict=False):
        response = {"error": result_text(result)} if result.is_error else {"output": result.result}
        own_id = {"id": raw["id"]} if raw.get("id") else {}
        name = raw.get("name") or call.name
        answers.append({"functionResponse": {**own_id, "name": name, "response": response}})
    return answers


def from_stream(
    events: Iterable[JSONObject], request: ModelRequest
) -> Generator[Delta, None, Completion]:
    """Give the deltas of a stream, and return the answer when it is complete."""
    parts: list[dict[str, Any]] = []
    whole: dict[str, Any] = {}
    candidate: dict[str, Any] = {}
    for event in events:
        whole |= {key: value for key, value in event.items() if key != "candidates"}
        for piece in (event.get("candidates") or [])[:1]:
            candidate |= {key: value for key, value in piece.items() if key != "content"}
            for part in (piece.get("content") or {}).get("parts") or []:
                if text := part.get("text"):
                    yield Delta(text, "thinking" if part.get("thought") else "text")
                _append(parts, dict(part))
    blocked = (whole.get("promptFeedback") or {}).get("blockReason")
    if not candidate.get("finishReason") and not blocked:
        # The SDK takes a stream that just ends for a complete one.
        raise ModelCallError(
            "the model's answer broke off before its end", error_type="truncated", retryable=True
        )
    content = {"role": "model", "parts": parts}
    return from_response(whole | {"candidates": [candidate | {"content": content}]}, request)


def _append(parts: list[dict[str, Any]], part: dict[str, Any]) -> None:
    """Join plain text with plain text; what is signed keeps its own part."""
    last = parts[-1] if parts else {}
    plain = "text" in part and "text" in last and not (part.keys() | last.keys()) - _PLAIN
    if plain and part.get("thought") == last.get("thought"):
        last["text"] += part["text"]
    else:
        parts.append(part)


def from_response(response: JSONObject, request: ModelRequest) -> Completion:
    """
    The answer in a whole response.

    Calls without an id get one of ours, unique in the thread. Reasons to stop that leave
    nothing to go on with are raised as `ModelCallError`.
    """
    candidate = next(iter(response.get("candidates") or []), None) or {}
    reason = str(candidate.get("finishReason") or "SAFETY")
    if reason in _FAILURES:
        error_type, retryable = _FAILURES[reason]
        detail = candidate.get("finishMessage") or "no details were given"
        raise ModelCallError(
            f"the model stopped with {reason}: {detail}", error_type=error_type, retryable=retryable
        )
    parts = (candidate.get("content") or {}).get("parts") or []
    raw_calls = [part["functionCall"] for part in parts if "functionCall" in part]
    calls = tuple(
        ToolCall(
            raw.get("id") or f"call_{len(request.messages)}_{number}",
            raw.get("name") or "",
            raw.get("args") if isinstance(raw.get("args"), Mapping) else {},
        )
        for number, raw in enumerate(raw_calls)
    )
    stop = _STOP_REASONS.get(reason, "end_turn")
    return Completion(
        text="".join(
            part["text"] for part in parts if part.get("text") and not part.get("thought")
        ),
        tool_calls=calls,
        model_name=request.model_name,
        usage=_usage(response.get("usageMetadata") or {}),
        stop_reason="tool_use" if calls and stop == "end_turn" else stop,
        content=tuple(parts),
        api=API,
        details=_details(response, candidate),
    )


def _details(response: JSONObject, candidate: JSONObject) -> JSONObject:
    return known(
        id=response.get("responseId"),
        model=response.get("modelVersion"),
        stop_reason=candidate.get("finishReason"),
        stop_details=candidate.get("finishMessage") or response.get("promptFeedback"),
    )


def _usage(raw: JSONObject) -> Usage:
    tokens_in = (raw.get("promptTokenCount") or 0) + (raw.get("toolUsePromptTokenCount") or 0)
    tokens_out = (raw.get("candidatesTokenCount") or 0) + (raw.get("thoughtsTokenCount") or 0)
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=raw.get("totalTokenCount") or tokens_in + tokens_out,
        cache_read_tokens=raw.get("cachedContentTokenCount"),
    )
