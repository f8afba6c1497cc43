"""
What is stored today has to keep its meaning: one file for each event type and version.

A file holds rows as a store keeps them and the fields that were meant. It is written once,
for a type or version that has none, by running this module with MESSAGEDB_AGENT_NEW_GOLDEN=1.
A file that exists is never written again: a changed meaning needs a higher SCHEMA_VERSION,
an upcaster, and a new file beside the old one, which has to be readable for ever.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from messagedb_agent.events import ToolCall
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import decode_event, encode
from messagedb_agent.events.json_text import to_json
from messagedb_agent.events.registry import lookup, registered
from messagedb_agent.events.tool import StoredResult

FOLDER = Path(__file__).parents[1] / "golden" / "events"
FILES = sorted(FOLDER.glob("*.json"))
BUILTIN = tuple(
    kind for kind in registered() if kind.__module__.startswith("messagedb_agent.events.")
)

NASTY = "plain, \x00, \ud800, \ufdd0, 😀, \u200f\u05d0\u05d1"

BY_NAME: dict[str, Any] = {
    "tool_calls": (
        ToolCall("toolu_1", "read_file", {"path": "a b.txt", "lines": [1, 2.5, None]}),
        ToolCall("toolu_2", "echo", '{"broken'),
    ),
    "token_usage": {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15},
    "content": ({"type": "text", "text": NASTY}, {"type": "thinking", "signature": "c2ln"}),
    "tools": ({"name": "echo", "description": "Say it again.", "parameters": {"type": "object"}},),
    "timestamp": "2026-01-02T03:04:05.678Z",
    "remember": "arguments",
    "completion_reason": "timeout",
    "stored": StoredResult("ab" * 32, 20_000),
}

BY_TYPE: dict[Any, Any] = {
    str: NASTY,
    str | None: "some text",
    int: 7,
    int | None: 8,
    float: 1e16,
    bool | None: True,
}

ANY_JSON: dict[str, Any] = {
    "text": NASTY, "nested": [{"deep": [None, True, False]}], "large": 1 << 70,
    "floats": [0.5, -0.0, 1e300, float("inf")], "": "an empty key",
}  # fmt: skip


def full(kind: type[Event]) -> Event:
    """An event of the type with every field set to something that is not its default."""
    fields = msgspec.structs.fields(kind)
    return kind(
        **{
            field.name: BY_NAME.get(field.name, BY_TYPE.get(field.type, ANY_JSON))
            for field in fields
        }
    )


def least(kind: type[Event]) -> Event:
    """An event of the type with nothing but what it can't do without."""
    required = [field for field in msgspec.structs.fields(kind) if field.required]
    return kind(**{field.name: BY_TYPE[field.type] for field in required})


def path_of(kind: type[Event]) -> Path:
    return FOLDER / f"{kind.__name__}.v{kind.SCHEMA_VERSION}.json"


def meaning(event: Event) -> str:
    """The fields in JSON text, so that files can hold and compare all of them."""
    return to_json(msgspec.structs.asdict(event))


def row(event: Event) -> dict[str, Any]:
    _, data, metadata = encode(event)
    return {"data": data, "metadata": metadata, "means": meaning(event)}


def within(before: str, now: str) -> bool:
    """Whether all that was there before is there now; fields may have been added since."""
    fields = json.loads(now)
    return bool(json.loads(before) == {name: fields[name] for name in json.loads(before)})


if os.environ.get("MESSAGEDB_AGENT_NEW_GOLDEN"):
    FOLDER.mkdir(parents=True, exist_ok=True)
    for new in (kind for kind in BUILTIN if not path_of(kind).exists()):
        content = {"type": new.__name__, "rows": [row(full(new)), row(least(new))]}
        path_of(new).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.__name__)
def test_every_event_type_has_a_golden_file(kind: type[Event]) -> None:
    assert path_of(kind).exists(), "MESSAGEDB_AGENT_NEW_GOLDEN=1 writes the missing ones"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_golden_row_still_means_what_it_meant(file: Path) -> None:
    golden = json.loads(file.read_text(encoding="utf-8"))

    for stored in golden["rows"]:
        event = decode_event(golden["type"], stored["data"], stored["metadata"])

        assert type(event) is lookup(golden["type"])
        assert within(stored["means"], meaning(event))


@pytest.mark.parametrize("kind", BUILTIN, ids=lambda kind: kind.__name__)
def test_what_is_written_today_is_what_the_golden_file_holds(kind: type[Event]) -> None:
    golden = json.loads(path_of(kind).read_text(encoding="utf-8"))

    for stored in golden["rows"]:
        event = decode_event(golden["type"], stored["data"], stored["metadata"])

        encoded = encode(event)

        assert within(stored["data"], encoded.data)
        assert within(stored["metadata"] or "{}", encoded.metadata or "{}")
