"""The one place where events become rows and rows become events."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, get_args

import msgspec
from msgspec.structs import force_setattr

from messagedb_agent.errors import EncodingError
from messagedb_agent.events.base import Event, RecordedEvent, UnknownEvent
from messagedb_agent.events.first_look import ONE_BY_ONE
from messagedb_agent.events.json_text import LEAD, from_json, in_stored_order, to_json
from messagedb_agent.events.registry import lookup
from messagedb_agent.events.upcasters import upcast

SCHEMA_VERSION_KEY = "schemaVersion"

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


_UNCHANGED = frozenset({str, int, bool})
_MOST_SHARED = 32


class EncodedEvent(NamedTuple):
    """An event as `write_message` takes it: type name and two JSON texts."""

    type: str
    data: str
    metadata: str | None


class EventRow(NamedTuple):
    """A row of Message DB, with `data` and `metadata` as text."""

    id: str
    stream_name: str
    type: str
    position: int
    global_position: int
    data: str | None
    metadata: str | None
    time: datetime


class _Shared(NamedTuple):
    """An event that many streams get: what is written of it, and what is read then."""

    event: Event
    data: str
    copy: Event


_SHARED: dict[int, _Shared] = {}


class _Plan(NamedTuple):
    """How one class is read and written, worked out once."""

    data_fields: tuple[str, ...]
    metadata_fields: tuple[str, ...]
    optional: frozenset[str]
    is_plain: bool
    decode: Callable[[str], Event]
    decode_metadata: Callable[[str], Any] | None


@cache
def _plan(cls: type[Event]) -> _Plan:
    with ONE_BY_ONE:
        return _made_plan(cls)


def _made_plan(cls: type[Event]) -> _Plan:
    fields = {field.name: field for field in msgspec.structs.fields(cls)}
    extra = tuple(name for name in fields if name in cls.METADATA)
    decode_metadata = None
    if extra:
        picked = [(name, fields[name].type, fields[name].default) for name in extra]
        struct = msgspec.defstruct(f"{cls.__name__}Metadata", picked)
        decode_metadata = msgspec.json.Decoder(struct).decode
    return _Plan(
        data_fields=tuple(name for name in fields if name not in cls.METADATA),
        metadata_fields=extra,
        optional=frozenset(name for name, field in fields.items() if field.default is None),
        is_plain=cls.SCHEMA_VERSION == 1,
        decode=msgspec.json.Decoder(cls).decode,
        decode_metadata=decode_metadata,
    )


def encode(
    event: Event, metadata: Mapping[str, Any] | None = None, data_text: str | None = None
) -> EncodedEvent:
    """
    The event as `write_message` takes it; `metadata` is added to the event's own.

    Who has the text of its data from `prepare` gives it. Raises `EncodingError` when a field
    holds what JSON can not.
    """
    if isinstance(event, UnknownEvent):
        _check_type_name(event.type_name)
        data = data_text or to_json(event.data)
        return EncodedEvent(event.type_name, data, _metadata_text(metadata or {}))
    plan = _plan(type(event))
    merged = {**_present(event, plan.metadata_fields, plan.optional), **(metadata or {})}
    if type(event).SCHEMA_VERSION > 1:
        merged[SCHEMA_VERSION_KEY] = type(event).SCHEMA_VERSION
    return EncodedEvent(
        type(event).__name__, data_text or _data_text(event), _metadata_text(merged)
    )


def _data_text(event: Event) -> str:
    return _shared(event).data if event.IS_SHARED else _written(event)


def _shared(event: Event) -> _Shared:
    """The same of it as of any event, worked out once."""
    kept = _SHARED.get(id(event))
    if kept is not None and kept.event is event:
        return kept
    data = _written(event)
    if len(_SHARED) >= _MOST_SHARED:
        _SHARED.clear()
    # With the event itself, so that nothing else can come to have its id.
    kept = _SHARED[id(event)] = _Shared(event, data, _as_read(event, data))
    return kept


def _written(event: Event) -> str:
    plan = _plan(type(event))
    return to_json(_present(event, plan.data_fields, plan.optional))


def _check_type_name(name: str) -> None:
    """Names are stored as they are, without the escapes that other texts get."""
    if _UNSTORABLE.search(name):
        raise EncodingError(f"type name {name[:80]!r} has characters that PostgreSQL can not store")


def _present(event: Event, names: tuple[str, ...], optional: frozenset[str]) -> dict[str, Any]:
    """The fields to write: what is None and reads as None when it is absent, is left out."""
    return {
        name: value
        for name in names
        if (value := getattr(event, name)) is not None or name not in optional
    }


def _metadata_text(metadata: Mapping[str, Any]) -> str | None:
    return to_json(metadata) if metadata else None


def decode(row: EventRow) -> RecordedEvent:
    """
    The event of a row.

    A type that nobody registered, or data that does not fit its class, comes back as an
    `UnknownEvent` that says why: one odd row must not make a thread unreadable. The texts stay
    with it, for readers that pass events on unchanged.
    """
    event_id, stream_name, type_name, position, global_position, data, metadata, time = row
    return RecordedEvent(
        id=event_id,
        event=decode_event(type_name, data or "null", metadata),
        stream_name=stream_name,
        position=position,
        global_position=global_position,
        time=time,
        metadata_text=metadata,
        data_text=data,
    )


def decode_event(type_name: str, data: str, metadata: str | None = None) -> Event:
    """The event of a type name and its JSON texts; never raises for what a store returned."""
    cls = lookup(type_name)
    if cls is None:
        return _carried(type_name, data, "unknown type")
    plan = _plan(cls)
    # Written out here and not in functions of their own, for long threads are read this way.
    if plan.is_plain and LEAD not in data and not (metadata and LEAD in metadata):
        try:
            event = plan.decode(data)
            if metadata and plan.decode_metadata:
                found = plan.decode_metadata(metadata)
                for name in plan.metadata_fields:
                    # The instance is not published yet, so nobody sees it change.
                    force_setattr(event, name, getattr(found, name))
            return event
        except (msgspec.MsgspecError, RecursionError):
            # Perhaps a shape that an earlier program wrote; the slow way is the lenient one.
            pass
    try:
        return _decode_slowly(cls, data, metadata)
    except Exception as error:  # noqa: BLE001 - upcasters are anybody's code
        return _carried(type_name, data, f"does not fit {type_name}: {error}")


def as_stored(event: Event) -> Event:
    """The event as a store will give it back: arrays as lists, keys in the order of JSONB."""
    return prepare(event)[0]


def prepare(event: Event) -> tuple[Event, str]:
    """The event `as_stored`, and the text of its data, so that `encode` need not write it again."""
    if isinstance(event, UnknownEvent):
        data = to_json(event.data)
        return decode_event(event.type_name, in_stored_order(data)), data
    if event.IS_SHARED:
        kept = _shared(event)
        return kept.copy, kept.data
    data = _written(event)
    return _as_read(event, data), data


def _as_read(event: Event, data: str) -> Event:
    cls, stored = type(event), in_stored_order(data)
    if cls.SCHEMA_VERSION == 1:
        copy = decode_event(cls.__name__, stored)
        if type(copy) is cls and _take_metadata(copy, event):
            return copy
    return decode_event(cls.__name__, stored, encode(event, data_text=data).metadata)


def _take_metadata(copy: Event, event: Event) -> bool:
    """Copy the fields of the metadata, if JSON gives each back as it was."""
    plan = _plan(type(event))
    for name in plan.metadata_fields:
        value = getattr(event, name)
        if value is None and name in plan.optional:
            continue
        if type(value) not in _UNCHANGED:
            return False
        force_setattr(copy, name, value)
    return True


def _decode_slowly(cls: type[Event], data: str, metadata: str | None) -> Event:
    extra = from_json(metadata) if metadata else None
    if not isinstance(extra, dict):
        extra = {}
    fields = from_json(data)
    if not isinstance(fields, dict):
        raise TypeError("the data is no JSON object")
    fields = upcast(cls.__name__, extra.get(SCHEMA_VERSION_KEY, 1), fields)
    fields = {**fields, **{name: extra[name] for name in cls.METADATA if name in extra}}
    return msgspec.convert(_without_nulls(cls, fields), cls)


def _without_nulls(cls: type[msgspec.Struct], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value; earlier programs wrote null for those that have none."""
    present = {name: value for name, value in fields.items() if value is not None}
    for field in msgspec.structs.fields(cls):
        items, kind = present.get(field.name), next(iter(get_args(field.type)), None)
        if isinstance(items, list) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            present[field.name] = [
                _without_nulls(kind, item) if isinstance(item, dict) else item for item in items
            ]
    return present


def _carried(type_name: str, data: str, reason: str) -> UnknownEvent:
    try:
        value = from_json(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        value = data
    return UnknownEvent(type_name=type_name, data=value, reason=reason)
