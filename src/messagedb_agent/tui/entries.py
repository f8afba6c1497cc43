"""What a chat consists of on the screen, before any widget."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

from messagedb_agent.events.base import JSONObject

Kind: TypeAlias = Literal[
    "user", "thinking", "answer", "partial", "tool", "approval", "error", "system"
]

SIGNS: dict[Kind, str] = {
    "user": ">",
    "thinking": "~",
    "answer": "◆",
    "partial": "◇",
    "tool": "→",
    "approval": "?",
    "error": "!",
    "system": "·",
}
"""So that kinds differ where there are no colours; the same signs as in `show`."""

ToolStatus: TypeAlias = Literal["asked", "waiting", "running", "done", "failed", "rejected"]


class ToolView(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call with all that became of it so far; what it tells meanwhile is in no event."""

    name: str
    arguments: Any = None
    call_id: str | None = None
    status: ToolStatus = "asked"
    result: Any = None
    duration_ms: float | None = None
    attempt: int = 1
    progress: str = ""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """
    One piece of the chat.

    `position` is that of the event it began with, in the stream that has it: another one's for
    what a fork shares. Both are None for what this program says itself. `note` is what it
    says about the text, `files` are the blocks of what was sent along.
    """

    kind: Kind
    text: str = ""
    note: str = ""
    position: int | None = None
    stream_name: str | None = None
    tool: ToolView | None = None
    files: tuple[JSONObject, ...] = ()
