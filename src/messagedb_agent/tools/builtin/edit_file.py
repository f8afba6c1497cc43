"""Replace text in a file of the workspace."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.builtin.workspace import is_binary, locate, read_bytes, write_bytes
from messagedb_agent.tools.builtin.write_file import encoded
from messagedb_agent.tools.define import tool


class Edited(TypedDict):
    """What was changed where."""

    path: str
    replacements: int


# After an interruption nobody knows whether the text was replaced, and when the new text
# contains the old one a second replacement would damage the file.
@tool(permission="ask", recovery="fail")
def edit_file(
    path: str,
    old: Annotated[str, Meta(min_length=1)],
    new: str,
    context: ToolContext,
    *,
    replace_all: bool = False,
) -> Edited:
    """
    Replace a piece of text in a file in the workspace.

    Args:
        path: The file, relative to the workspace.
        old: The text to replace, exactly as in the file. It has to occur exactly once.
        new: The text to put in its place.
        replace_all: Whether to replace every occurrence instead.
    """
    location = locate(context.workspace, path)
    data = read_bytes(location)
    if is_binary(data):
        raise ToolError(f"{path} is a binary file")
    changed, count = replaced(data, encoded(old), encoded(new), replace_all=replace_all)
    write_bytes(location, changed)
    return {"path": str(location), "replacements": count}


def replaced(data: bytes, old: bytes, new: bytes, *, replace_all: bool) -> tuple[bytes, int]:
    """
    The bytes with `old` replaced, and how often.

    Works on bytes, so that what is not UTF-8 stays as it is. Raises `ToolError` when `old`
    doesn't occur, occurs more than once without `replace_all`, or equals `new`.
    """
    if old == new:
        raise ToolError("the old and the new text are the same")
    if old not in data and b"\r\n" in data and b"\r" not in old:
        # Models write line ends as \n; the file keeps its own.
        old, new = (text.replace(b"\n", b"\r\n") for text in (old, new))
    count = data.count(old)
    if count == 0:
        raise ToolError("the old text does not occur in the file; read it again")
    if count > 1 and not replace_all:
        raise ToolError(
            f"the old text occurs {count} times; give more of its surroundings, or replace_all"
        )
    return data.replace(old, new), count
