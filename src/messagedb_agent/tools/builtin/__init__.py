"""The tools that come with the package, one file each."""

from __future__ import annotations

from importlib import import_module

from messagedb_agent.tools.base import Tool

_NAMES = (
    "get_current_time",
    "calculate",
    "echo",
    "read_file",
    "list_files",
    "search_files",
    "write_file",
    "edit_file",
    "run_command",
    "fetch_url",
)


def builtin_tools() -> tuple[Tool, ...]:
    """All tools that come with the package, in the order in which models are told of them."""
    return tuple(_load(name) for name in _NAMES)


def _load(name: str) -> Tool:
    # Commands that run no tool must not pay for making them.
    tool: Tool = getattr(import_module(f"{__name__}.{name}"), name)
    return tool
