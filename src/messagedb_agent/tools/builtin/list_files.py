"""List what is in a folder of the workspace."""

from __future__ import annotations

from typing import TypedDict

from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.builtin.walk import Walk, matches
from messagedb_agent.tools.builtin.workspace import locate, opened_folder
from messagedb_agent.tools.define import tool

MAX_ENTRIES = 1000


class Listing(TypedDict):
    """Paths relative to the listed folder; folders end in a slash."""

    entries: list[str]
    truncated: bool


@tool(permission="allow", recovery="retry")
def list_files(
    context: ToolContext, path: str = ".", pattern: str = "*", *, recursive: bool = False
) -> Listing:
    """
    List files and folders in the workspace. Folders end in a slash.

    Args:
        path: The folder, relative to the workspace.
        pattern: Only list what fits this glob pattern, such as "*.py" or "src/*.py".
        recursive: Whether to list what is in the folders below, too.
    """
    entries: list[str] = []
    with opened_folder(locate(context.workspace, path)) as descriptor:
        walk = Walk(descriptor, context.cancelled)
        for found in walk(recursive=recursive or "/" in pattern):
            if not matches(found.path, pattern):
                continue
            if len(entries) == MAX_ENTRIES:
                walk.stop()
                break
            entries.append(found.path + ("/" if found.is_folder else ""))
    return {"entries": sorted(entries), "truncated": not walk.complete}
