"""Showing events as they happen: for people, and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import from_json
from messagedb_agent.projections.transcript import Voice, entry

Format: TypeAlias = Literal["text", "pretty", "json"]

_WORDS: dict[Voice, str] = {
    "user": "user",
    "assistant": "assistant",
    "tool_call": "tool call",
    "tool_result": "tool result",
    "approval": "approval",
    "error": "error",
    "system": "system",
}
_SHORT_ID = 8


class ConversationPrinter:
    """
    Gives each event to `write`, as text that ends with a newline.

    `text` is one line for each event. `pretty` shows conversations: a heading where the
    thread changes, and texts in full. `json` is one object for each line, in the shape of
    `show --format json` with the `stream_name` added. `paint` may colour a piece of text by
    its voice (or as `heading` or `dim`), and `clean` make it safe to show.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        output: Format = "text",
        *,
        paint: Callable[[str, Voice | Literal["heading", "dim"]], str] = lambda text, _style: text,
        clean: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._write = write
        self._line = {"text": self._text, "pretty": self._pretty, "json": self._json}[output]
        self._paint = paint
        self._clean = clean
        self._shown: str | None = None

    def __call__(self, record: RecordedEvent) -> None:
        self._write(f"{self._line(record)}\n")

    def _text(self, record: RecordedEvent) -> str:
        told = entry(record.event)
        place = f"{record.time:%H:%M:%S} {self._clean(_thread(record))[:_SHORT_ID]}"
        said = " ".join(self._clean(told.text).split())
        return f"{self._paint(place, 'dim')} {self._paint(_WORDS[told.voice], told.voice)}: {said}"

    def _pretty(self, record: RecordedEvent) -> str:
        told = entry(record.event)
        lines = []
        if record.stream_name != self._shown:
            heading = f"── thread {self._clean(_thread(record))} ──"
            lines = ["", self._paint(heading, "heading")][self._shown is None :]
            self._shown = record.stream_name
        place = self._paint(f"[{record.position}] {record.time:%H:%M:%S}", "dim")
        lines.append(f"{place} {self._paint(_WORDS[told.voice], told.voice)}")
        lines += [f"    {line}" for line in self._clean(told.text).split("\n")]
        return "\n".join(lines)

    def _json(self, record: RecordedEvent) -> str:
        return json.dumps(as_object(record))


def as_object(record: RecordedEvent) -> dict[str, Any]:
    """A recorded event in the form of `show --format json`, and the stream it is in."""
    # The stored text has fields, too, that this program knows nothing of.
    data = record.data_text if record.data_text is not None else encode(record.event).data
    return {
        "id": record.id,
        "stream_name": record.stream_name,
        "type": record.type,
        "position": record.position,
        "global_position": record.global_position,
        "time": f"{record.time.isoformat()}Z",
        "data": from_json(data),
    }


def _thread(record: RecordedEvent) -> str:
    return record.stream_name.partition("-")[2]
