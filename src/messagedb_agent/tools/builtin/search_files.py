"""
Find text in the files of the workspace.

The search is for literal text: a regular expression from a model may take forever, and
Python has no way to stop one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypedDict

from msgspec import Meta

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.builtin.walk import Found, Walk, matches
from messagedb_agent.tools.builtin.workspace import (
    holds_secrets,
    is_binary,
    locate,
    opened_folder,
    read_at,
    read_bytes,
)
from messagedb_agent.tools.define import tool

MAX_LINE = 300


class Match(TypedDict):
    """A line that has the text; `line` counts from 1."""

    path: str
    line: int
    text: str


class Matches(TypedDict):
    """What was found, in the order of paths and lines."""

    matches: list[Match]
    files_searched: int
    truncated: bool


class Query(TypedDict):
    """What to look for."""

    text: str
    ignore_case: bool


@tool(permission="allow", recovery="retry")
def search_files(
    query: Annotated[str, Meta(min_length=1, max_length=1000)],
    context: ToolContext,
    path: str = ".",
    pattern: str = "*",
    *,
    ignore_case: bool = False,
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100,
) -> Matches:
    """
    Find the lines that contain a text, in the files below a folder of the workspace.

    Args:
        query: The literal text to find, within one line.
        path: A folder or a file, relative to the workspace.
        pattern: Only search files that fit this glob pattern, such as "*.py".
        ignore_case: Whether upper and lower case are the same.
        limit: How many lines to return at most.
    """
    if "\n" in query:
        raise ToolError("the query has to be a single line")
    found: Matches = {"matches": [], "files_searched": 0, "truncated": False}
    wanted: Query = {"text": query, "ignore_case": ignore_case}
    location = locate(context.workspace, path)
    if not Path(location.real_path).is_dir():
        _collect(found, iter([(str(location), read_bytes(location))]), wanted, limit)
        return found
    with opened_folder(location) as descriptor:
        walk = Walk(descriptor, context.cancelled)
        _collect(found, _texts(walk, pattern), wanted, limit)
    found["truncated"] |= not walk.complete
    return found


def _texts(walk: Walk, pattern: str) -> Iterator[tuple[str, bytes]]:
    for entry in walk(recursive=True):
        if not entry.is_folder and matches(entry.path, pattern) and not holds_secrets(entry.name):
            data = _contents(entry)
            if data is not None:
                yield entry.path, data


def _contents(entry: Found) -> bytes | None:
    """The bytes of a file, or None when it is not one to search."""
    try:
        return read_at(entry.parent, entry.name)
    except (OSError, ToolError):
        return None


def _collect(found: Matches, files: Iterator[tuple[str, bytes]], query: Query, limit: int) -> None:
    for path, data in files:
        if is_binary(data):
            continue
        found["files_searched"] += 1
        for match in _lines(path, data.decode("utf-8", "replace"), query):
            if len(found["matches"]) == limit:
                found["truncated"] = True
                return
            found["matches"].append(match)


def _lines(path: str, text: str, query: Query) -> Iterator[Match]:
    wanted = query["text"].lower() if query["ignore_case"] else query["text"]
    if wanted not in (text.lower() if query["ignore_case"] else text):
        return
    for number, line in enumerate(text.split("\n"), start=1):
        at = (line.lower() if query["ignore_case"] else line).find(wanted)
        if at >= 0:
            start = max(0, at - MAX_LINE // 2) if len(line) > MAX_LINE else 0
            yield {
                "path": path,
                "line": number,
                "text": line[start : start + MAX_LINE].rstrip("\r"),
            }
