"""What a server answered, as the JSON that becomes the result of the call."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from messagedb_agent.errors import ToolError

if TYPE_CHECKING:
    from mcp.types import CallToolResult


def result_of(answer: CallToolResult) -> Any:
    """
    The result of a call: its structured content, or its text.

    Servers repeat structured content as text for older clients, so text counts beside it only
    where it says something else. What is no text is described. Raises `ToolError` when the
    server says that the tool failed.
    """
    texts = [block.text for block in answer.content if block.type == "text"]
    others = [_described(block) for block in answer.content if block.type != "text"]
    if answer.is_error:
        raise ToolError("\n".join((*texts, *others)) or "The tool failed and did not say why.")
    structured = answer.structured_content
    if structured is None:
        return "\n".join((*texts, *others))
    value = structured["result"] if list(structured) == ["result"] else structured
    leaves = frozenset(_leaves(structured))
    beside = [text for text in texts if text not in leaves and not _is_json(text)] + others
    return {"content": value, "text": "\n".join(beside)} if beside else value


def progress_line(done: float, total: float | None, message: str | None) -> str:
    """What a server tells about a call that it works on, as one line."""
    amount = f"{done:g}" if total is None else f"{done:g} of {total:g}"
    return f"{' '.join(message.split())} ({amount})" if message else amount


def _described(block: Any) -> str:
    """One line for what can't be shown as text, or the text of an embedded resource."""
    match block.type:
        case "image" | "audio":
            return f"[{block.type} {block.mime_type}, {_size(block.data)} bytes, not shown]"
        case "resource_link":
            return f"[link to {block.name}: {block.uri}]"
        case "resource":
            resource = block.resource
            text = getattr(resource, "text", None)
            if text is not None:
                return f"[{resource.uri}]\n{text}"
            return f"[{resource.uri}, {_size(resource.blob)} bytes, not shown]"
        case kind:
            return f"[{kind}, not shown]"


def _size(base64_text: str) -> int:
    return len(base64_text.rstrip("=")) * 3 // 4


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield str(value)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
