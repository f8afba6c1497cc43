"""
What all protocols share: messages paired into turns, and values in one canonical form. Pure.

The pairing rules of every provider come down to this: the results of an answer's tool calls
follow it directly, in call order, each exactly once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import msgspec

from messagedb_agent.events.agent import ToolCall
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)

EMPTY_MESSAGE = "(empty message)"
NO_OUTPUT = "(no output)"
NO_RESULT = "no result was recorded: the call was interrupted and its effect is unknown"
EARLIER = "(an earlier part of this conversation is not shown)"


class AssistantTurn(msgspec.Struct, frozen=True):
    """An answer together with the results of its calls, in call order."""

    message: AssistantMessage
    results: tuple[tuple[ToolCall, ToolResult], ...] = ()


Turn: TypeAlias = UserMessage | AssistantTurn


def pair(messages: Sequence[Message]) -> list[Turn]:
    """
    Put each result to its call.

    A call without a result gets an error as its result, since providers refuse a history
    that leaves one open; a result without a call is told as text.
    """
    turns: list[Turn] = []
    for begin, end in _rounds(messages):
        first, calls = messages[begin], set[str]()
        if isinstance(first, AssistantMessage):
            turns.append(AssistantTurn(first, _answered(first, messages[begin:end])))
            calls = {call.id for call in first.tool_calls}
        for message in messages[begin:end]:
            if isinstance(message, UserMessage):
                turns.append(message)
            elif isinstance(message, ToolResult) and message.tool_call_id not in calls:
                turns.append(_stray(message))
    if turns and isinstance(turns[0], AssistantTurn):
        turns.insert(0, UserMessage(EARLIER))
    return turns


def _rounds(messages: Sequence[Message]) -> list[tuple[int, int]]:
    """The bounds of what lies between one answer and the next."""
    starts = [
        index
        for index, message in enumerate(messages)
        if index == 0 or isinstance(message, AssistantMessage)
    ]
    return list(pairwise([*starts, len(messages)]))


def _answered(
    answer: AssistantMessage, following: Sequence[Message]
) -> tuple[tuple[ToolCall, ToolResult], ...]:
    results: dict[str, ToolResult] = {}
    for message in following:
        if isinstance(message, ToolResult):
            results.setdefault(message.tool_call_id, message)
    return tuple(
        (call, results.get(call.id) or ToolResult(call.id, call.name, NO_RESULT, is_error=True))
        for call in answer.tool_calls
    )


def _stray(result: ToolResult) -> UserMessage:
    kind = "failed" if result.is_error else "returned"
    return UserMessage(f"The tool {result.tool_name} {kind}: {result_text(result)}")


def user_blocks(message: UserMessage) -> list[Mapping[str, Any]]:
    """
    The neutral blocks of a message.

    `{type: text, text}`, `{type: image, media_type, data}` or `{type: file, media_type,
    data, name?}`, with data in base64. Blank text is replaced, as providers refuse it.
    """
    blocks = [
        block
        for block in message.content
        if block.get("type") != "text" or str(block.get("text", "")).strip()
    ]
    has_text = any(block.get("type") == "text" for block in blocks)
    if message.text.strip() and not has_text:
        blocks.append({"type": "text", "text": message.text})
    return blocks or [{"type": "text", "text": EMPTY_MESSAGE}]


def result_text(result: ToolResult) -> str:
    """A result as text: as it is, or as JSON."""
    value = result.result
    text = value if isinstance(value, str) else to_json(value)
    return text if text.strip() else NO_OUTPUT


def to_json(value: Any) -> str:
    """JSON that is the same text for the same value, whatever order its keys came in."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def known(**fields: Any) -> Mapping[str, Any]:
    """The fields that have a value, for the provider's own words about an answer."""
    return {name: value for name, value in fields.items() if value not in (None, "")}


def parse_arguments(text: str) -> Any:
    """The object that a model wrote, or its text when that is none. Never a repaired guess."""
    try:
        value = json.loads(text or "{}", parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def arguments_object(arguments: Any) -> Mapping[str, Any]:
    """Arguments for a protocol that takes only objects; the model still sees what it wrote."""
    return arguments if isinstance(arguments, Mapping) else {"malformed_arguments": arguments}


def canonical(value: Any) -> Any:
    """
    The same value with sorted keys and only valid Unicode.

    Stored JSON comes back with its keys in another order, and a request must not differ by
    whether its history was just made or read from the store. UTF-8 has no lone surrogates.
    """
    match value:
        case str():
            return valid_text(value)
        case Mapping():
            return {valid_text(str(key)): canonical(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [canonical(item) for item in value]
        case float() if not math.isfinite(value):
            return str(value)
        case _:
            return value


def valid_text(text: str) -> str:
    """The text with lone surrogates replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
