"""Chat messages as the model gets them, before any provider's dialect."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.tool import StoredResult


class UserMessage(msgspec.Struct, frozen=True, gc=False, tag="user"):
    """What a person wrote; `content` holds blocks when text alone does not say it."""

    text: str
    content: tuple[JSONObject, ...] = ()


class AssistantMessage(msgspec.Struct, frozen=True, gc=False, tag="assistant"):
    """
    What a model answered.

    `content` are the provider's own blocks and `api` the protocol they belong to; an
    adapter of the same protocol sends them back untouched, any other one goes by text and
    tool calls.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    content: tuple[JSONObject, ...] = ()
    api: str | None = None
    model_name: str = ""


class ToolResult(msgspec.Struct, frozen=True, gc=False, tag="tool"):
    """How one tool call ended: any JSON value, or an error text with `is_error`."""

    tool_call_id: str
    tool_name: str
    result: Any
    is_error: bool = False


class LargeToolResult(ToolResult, frozen=True, gc=False, kw_only=True, tag="large_tool"):
    """
    A result that is stored elsewhere: `result` is only the beginning of its text.

    A class of its own, for a field more would change the digests of all requests there are.
    """

    stored: StoredResult


Message: TypeAlias = UserMessage | AssistantMessage | ToolResult | LargeToolResult
"""One entry of the context, in the order in which the model saw them."""
