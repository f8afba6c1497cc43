"""From which places of a chat another thread can be begun. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from messagedb_agent.events.base import JSONObject, RecordedEvent
from messagedb_agent.tui.entries import Entry, Kind

_KINDS: frozenset[Kind] = frozenset(("user", "answer", "tool"))


class ForkPoint(msgspec.Struct, frozen=True, kw_only=True):
    """
    The last event that the fork shares, and the message to be said differently there, if any.

    `files` are what was sent along with it, `entry` is where in the chat that is.
    """

    stream_name: str
    position: int
    message: str | None = None
    files: tuple[JSONObject, ...] = ()
    entry: Entry | None = None


def fork_points(entries: Sequence[Entry]) -> list[ForkPoint]:
    """The messages, answers and tool calls of a chat, oldest first."""
    return [point for entry in entries if (point := _point(entry)) is not None]


def _point(entry: Entry) -> ForkPoint | None:
    if entry.kind not in _KINDS or entry.position is None or entry.stream_name is None:
        return None
    # A message is said anew; what leads up to it is shared. Of a tool call the request is
    # shared, and not what became of it.
    is_said_anew = entry.kind == "user" and entry.position > 0
    return ForkPoint(
        stream_name=entry.stream_name,
        position=entry.position - is_said_anew,
        message=entry.text if is_said_anew else None,
        files=entry.files if is_said_anew else (),
        entry=entry,
    )


def fork_at(record: RecordedEvent) -> ForkPoint:
    """The place right after an event."""
    return ForkPoint(stream_name=record.stream_name, position=record.position)
