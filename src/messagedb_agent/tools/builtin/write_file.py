"""Write a text file of the workspace."""

from __future__ import annotations

from typing import TypedDict

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.builtin.workspace import locate, write_bytes
from messagedb_agent.tools.define import tool


class Written(TypedDict):
    """What was written where."""

    path: str
    bytes: int
    created: bool


# Writing the same content again changes nothing, so an interrupted call may be repeated.
@tool(permission="ask", recovery="retry")
def write_file(path: str, content: str, context: ToolContext) -> Written:
    """
    Write a text file in the workspace, replacing what it held. Folders are made as needed.

    Args:
        path: The file, relative to the workspace.
        content: The whole new content.
    """
    location = locate(context.workspace, path)
    data = encoded(content)
    created = write_bytes(location, data)
    return {"path": str(location), "bytes": len(data), "created": created}


def encoded(text: str) -> bytes:
    """The text as UTF-8; raises `ToolError` when it has characters that UTF-8 has not."""
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(
            f"character {error.start + 1} is half of a surrogate pair and can't be written"
        ) from error
