"""Run one call: whatever the model asked for, the answer is JSON or a `ToolError`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messagedb_agent.errors import ToolError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.base import Tool, ToolContext
from messagedb_agent.tools.registry import ToolRegistry
from messagedb_agent.tools.results import cut, text_of, to_json

MAX_ERROR_CHARACTERS = 8_000
MAX_NAMES = 50
_MAX_QUOTED = 200


def execute_tool(
    registry: ToolRegistry, name: str, arguments: Any, context: ToolContext | None = None
) -> Any:
    """
    Run the named tool with the arguments the model gave, and return its result as JSON.

    `arguments` may be anything; None counts as an empty object. Without a `context` the tool
    gets an empty one. Raises `ToolError`, with a text for the model, when there is no such
    tool, when the arguments don't fit, and when the tool fails in any way. Timeouts are the
    caller's business.
    """
    tool, given = _resolve(registry, name, arguments)
    try:
        return to_json(tool.call(given, context or ToolContext()))
    except ToolError as error:
        raise ToolError(cut(str(error), MAX_ERROR_CHARACTERS)) from error
    except (Exception, SystemExit) as error:  # a tool must not end the process that drives it
        raise ToolError(_told(error)) from error


def check_call(registry: ToolRegistry, name: str, arguments: Any) -> Tool:
    """
    The tool that a call would run, if its arguments fit; nothing runs.

    Raises `ToolError` as `execute_tool` would. Meant for use before somebody is asked to
    approve the call.
    """
    tool, given = _resolve(registry, name, arguments)
    if tool.check is not None:
        try:
            tool.check(given)
        except ToolError as error:
            raise ToolError(cut(str(error), MAX_ERROR_CHARACTERS)) from error
    return tool


def _resolve(registry: ToolRegistry, name: str, arguments: Any) -> tuple[Tool, JSONObject]:
    tool = registry.get(name)
    if tool is None:
        known = ", ".join(registry.names[:MAX_NAMES]) or "none"
        more = ", …" if len(registry) > MAX_NAMES else ""
        quoted = cut(repr(name), _MAX_QUOTED)
        raise ToolError(f"there is no tool named {quoted}; the tools are: {known}{more}")
    if arguments is None:
        return tool, {}
    if not isinstance(arguments, Mapping):
        quoted = cut(repr(arguments), _MAX_QUOTED)
        kind = "text that is no JSON object" if isinstance(arguments, str) else "no JSON object"
        raise ToolError(
            f"the arguments of {tool.name} have to be a JSON object, got {kind}: {quoted}"
        )
    return tool, arguments


def _told(error: BaseException) -> str:
    text = text_of(error)
    return cut(
        f"{type(error).__name__}: {text}" if text else type(error).__name__, MAX_ERROR_CHARACTERS
    )
