"""Read a text file of the workspace."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.builtin.workspace import is_binary, locate, read_bytes
from messagedb_agent.tools.define import tool

MAX_CHARACTERS = 100_000


class Page(TypedDict):
    """Some lines of a file; `first_line` counts from 1."""

    content: str
    first_line: int
    last_line: int
    total_lines: int
    truncated: bool


@tool(permission="allow", recovery="retry")
def read_file(
    path: str,
    context: ToolContext,
    offset: Annotated[int, Meta(ge=0)] = 0,
    limit: Annotated[int, Meta(ge=1)] = 2000,
) -> Page:
    """
    Read a text file in the workspace. Long files are read in pages of lines.

    Args:
        path: The file, relative to the workspace.
        offset: How many lines to skip.
        limit: How many lines to read at most.
    """
    data = read_bytes(locate(context.workspace, path))
    if is_binary(data):
        raise ToolError(f"{path} is a binary file of {len(data)} bytes")
    return page(data.decode("utf-8", "replace"), offset, limit)


def page(text: str, offset: int, limit: int) -> Page:
    """
    At most `limit` lines after the first `offset` ones, and at most `MAX_CHARACTERS`.

    Raises `ToolError` when the text has no more lines than `offset`.
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if offset and offset >= len(lines):
        raise ToolError(f"the file has only {len(lines)} lines")
    chosen: list[str] = []
    room = MAX_CHARACTERS
    for line in lines[offset : offset + limit]:
        if chosen and len(line) >= room:
            break
        chosen.append(line[:room])
        room -= len(line) + 1
    last = offset + len(chosen)
    cut_short = bool(chosen) and len(lines[last - 1]) > len(chosen[-1])
    whole = last == len(lines) and not cut_short
    return {
        "content": "\n".join(chosen) + ("\n" if whole and text.endswith("\n") else ""),
        "first_line": offset + 1,
        "last_line": last,
        "total_lines": len(lines),
        "truncated": not whole,
    }
