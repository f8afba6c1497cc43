"""Threads as files: one JSON object per line, complete enough to be the thread again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec

from messagedb_agent.engine.contents import referred_streams
from messagedb_agent.errors import ThreadNotFoundError, UsageError
from messagedb_agent.events.base import IMPORTED_TIME, Event, RecordedEvent, UnknownEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import from_json
from messagedb_agent.events.system import ThreadForked
from messagedb_agent.store.base import MAX_ANCESTORS, NO_STREAM, EventStore, NewEvent

FORMAT = "messagedb-agent/thread"
FORMAT_VERSION = 1


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: which thread, and what the others have to be."""

    format: str
    version: int
    stream_name: str
    events: int
    sha256: str


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event in a file. Data and metadata are JSON texts as the store keeps them."""

    stream_name: str
    position: int
    id: str
    type: str
    time: str
    data: str
    metadata: str | None = None


def export_thread(store: EventStore, stream_name: str) -> list[str]:
    """
    The lines of a thread's file: a header, then each stream it needs, the oldest origin first.

    The contents of attachments and large results are part of it. Raises
    `ThreadNotFoundError` when the thread, or one that it came from, is not there.
    """
    lineage = _lineage(store, stream_name)
    records = [record for records in reversed(lineage) for record in records]
    for content in referred_streams([record.event for record in records]):
        records += store.read(content)
    lines = [msgspec.json.encode(_line(record)).decode() for record in records]
    head = Header(
        format=FORMAT,
        version=FORMAT_VERSION,
        stream_name=stream_name,
        events=len(lines),
        sha256=_digest(lines),
    )
    return [msgspec.json.encode(head).decode(), *lines]


def _digest(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _lineage(store: EventStore, stream_name: str) -> list[list[RecordedEvent]]:
    lineage: list[list[RecordedEvent]] = []
    name: str | None = stream_name
    while name is not None and len(lineage) < MAX_ANCESTORS:
        records = list(store.read(name))
        if not records:
            raise ThreadNotFoundError(f"there is no stream {name}")
        lineage.append(records)
        first = records[0].event
        name = first.origin_stream_name if isinstance(first, ThreadForked) else None
    return lineage


def _line(record: RecordedEvent) -> Line:
    # As it is stored: what this version reads otherwise, or not at all, has to arrive too.
    data = record.data_text if record.data_text is not None else encode(record.event).data
    return Line(
        stream_name=record.stream_name,
        position=record.position,
        id=record.id,
        type=record.type,
        time=f"{record.time.isoformat()}Z",
        data=data,
        metadata=record.metadata_text,
    )


def import_thread(store: EventStore, lines: Iterable[str], rename: str | None = None) -> str:
    """
    Write the streams of a file and return the name of the thread's stream.

    Origins that the store has already, event by event, are left as they are. With `rename`
    the thread, and only it, gets another stream name and its events new ids. The original
    ids and times are kept in the metadata. Raises `UsageError` for a file that is not what was
    exported, and for a stream that exists with other events.
    """
    thread, streams = _parse(lines)
    for name, content in streams.items():
        renamed = rename if rename and name == thread else None
        _write(store, renamed or name, content, keep_ids=renamed is None)
    return rename or thread


def _write(store: EventStore, name: str, content: list[Line], *, keep_ids: bool) -> None:
    present = [record.id for record in store.read(name)]
    if present and keep_ids and present == [line.id for line in content]:
        return
    if present:
        raise UsageError(f"{name} exists already with other events; choose another thread id")
    new = [_new_event(line, keep_id=keep_ids) for line in content]
    store.append(name, new, expected_version=NO_STREAM)


def _new_event(line: Line, *, keep_id: bool) -> NewEvent:
    event: Event = UnknownEvent(type_name=line.type, data=from_json(line.data))
    metadata: dict[str, Any] = from_json(line.metadata) if line.metadata else {}
    # What was imported before keeps the first of its ids and times.
    metadata = {"importedId": line.id, IMPORTED_TIME: line.time, **metadata}
    if keep_id:
        return NewEvent(event=event, metadata=metadata, id=line.id)
    return NewEvent(event=event, metadata=metadata)


def _parse(lines: Iterable[str]) -> tuple[str, dict[str, list[Line]]]:
    first, *rest = [*lines] or [""]
    head = _header(first)
    if (len(rest), _digest(rest)) != (head.events, head.sha256):
        raise UsageError(
            f"the file was changed or cut off after its export: it has {len(rest)} of "
            f"{head.events} events, or others"
        )
    streams: dict[str, list[Line]] = {}
    for number, text in enumerate(rest, start=2):
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError as error:
            raise UsageError(f"line {number} of the file is no event: {error}") from error
        content = streams.setdefault(line.stream_name, [])
        if line.position != len(content):
            raise UsageError(f"line {number} of the file is out of order, or one is missing")
        content.append(line)
    if head.stream_name not in streams:
        raise UsageError("the file ends before the thread begins")
    return head.stream_name, streams


def _header(text: str) -> Header:
    try:
        head = msgspec.json.decode(text, type=Header)
    except msgspec.DecodeError as error:
        raise UsageError("this is no exported thread") from error
    if (head.format, head.version) != (FORMAT, FORMAT_VERSION):
        raise UsageError(f"this is an export of another version: {head.version}")
    return head
