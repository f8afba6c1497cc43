"""Threads as files: one JSON object per line, complete enough to be the thread again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from messagedb_agent.engine.contents import referred_streams
from messagedb_agent.engine.history import MAX_ANCESTORS
from messagedb_agent.errors import ThreadNotFoundError, UsageError
from messagedb_agent.events.base import Event, RecordedEvent, UnknownEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import from_json, to_json
from messagedb_agent.events.system import ThreadForked
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent

FORMAT = "messagedb-agent/thread"
FORMAT_VERSION = 1


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One event in a file. Data and metadata are JSON texts as the store keeps them."""

    stream_name: str
    position: int
    id: str
    type: str
    time: str
    data: str
    metadata: str | None = None


def export_thread(store: EventStore, stream_name: str) -> Iterator[str]:
    """
    The lines of a thread's file: a header, then each stream it needs, the oldest origin first.

    The contents of attachments and large results are part of it. Raises
    `ThreadNotFoundError` when the thread, or one that it came from, is not there.
    """
    yield to_json({"format": FORMAT, "version": FORMAT_VERSION, "stream_name": stream_name})
    lineage = _lineage(store, stream_name)
    for records in reversed(lineage):
        for record in records:
            yield msgspec.json.encode(_line(record)).decode()
    for content in referred_streams(record.event for records in lineage for record in records):
        for record in store.read(content):
            yield msgspec.json.encode(_line(record)).decode()


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
    encoded = encode(record.event)
    return Line(
        stream_name=record.stream_name,
        position=record.position,
        id=record.id,
        type=encoded.type,
        time=f"{record.time.isoformat()}Z",
        data=encoded.data,
        metadata=record.metadata_text,
    )


def import_thread(store: EventStore, lines: Iterable[str], rename: str | None = None) -> str:
    """
    Write the streams of a file and return the name of the thread's stream.

    Origins that the store has already, event by event, are left as they are. With `rename`
    the thread, and only it, gets another stream name and its events new ids. The original
    ids and times are kept in the metadata. Raises `UsageError` for a file that is no export
    and for a stream that exists with other events.
    """
    header, streams = _parse(lines)
    for name, content in streams.items():
        renamed = rename if rename and name == header else None
        _write(store, renamed or name, content, keep_ids=renamed is None)
    return rename or header


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
    metadata |= {"importedId": line.id, "importedTime": line.time}
    if keep_id:
        return NewEvent(event=event, metadata=metadata, id=line.id)
    return NewEvent(event=event, metadata=metadata)


def _parse(lines: Iterable[str]) -> tuple[str, dict[str, list[Line]]]:
    given = iter(lines)
    try:
        header = msgspec.json.decode(next(given, ""))
        name = str(header["stream_name"])
        known = (header["format"], header["version"]) == (FORMAT, FORMAT_VERSION)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise UsageError("this is no exported thread") from error
    if not known:
        raise UsageError(f"this is an export of another version: {header['version']}")
    streams: dict[str, list[Line]] = {}
    for number, text in enumerate(given, start=2):
        try:
            line = msgspec.json.decode(text, type=Line)
        except msgspec.DecodeError as error:
            raise UsageError(f"line {number} of the file is no event: {error}") from error
        content = streams.setdefault(line.stream_name, [])
        if line.position != len(content):
            raise UsageError(f"line {number} of the file is out of order, or one is missing")
        content.append(line)
    if name not in streams:
        raise UsageError("the file ends before the thread begins")
    return name, streams
