"""Writing and reading in one call, for programs that need no more than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import Event, RecordedEvent, UnknownEvent
from messagedb_agent.events.codec import decode_event
from messagedb_agent.events.json_text import to_json
from messagedb_agent.events.registry import lookup
from messagedb_agent.store.base import EventStore, NewEvent


def write_event(  # noqa: PLR0917 - the order that earlier programs use
    client: EventStore,
    stream_name: str,
    event: Event | str,
    data: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    expected_version: int | None = None,
) -> int:
    """
    Append one event, and return its position.

    `event` is an event, or the name of a type with `data`; the type may be one that nobody
    registered. Raises `UsageError` for data that does not fit a known type, and
    `OptimisticConcurrencyError` when the stream is not at `expected_version`.
    """
    if isinstance(event, str):
        event = _named(event, data or {})
    elif data is not None:
        raise UsageError("an event has its data in itself; give data with the name of a type only")
    new = NewEvent(event=event, metadata=metadata)
    (recorded,) = client.append(stream_name, [new], expected_version=expected_version)
    return recorded.position


def read_stream(client: EventStore, stream_name: str, position: int = 0) -> list[RecordedEvent]:
    """All events of a stream from a position on; none for a stream that does not exist."""
    return list(client.read(stream_name, position=position))


def _named(type_name: str, data: Mapping[str, Any]) -> UnknownEvent:
    """The data as it was given: a known class would drop the fields that it does not know."""
    found = decode_event(type_name, to_json(data))
    if isinstance(found, UnknownEvent) and lookup(type_name) is not None:
        raise UsageError(f"the data {found.reason}")
    return UnknownEvent(type_name=type_name, data=data)
