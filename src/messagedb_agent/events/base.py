"""What an event is, and what a recorded one looks like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeAlias

import msgspec

JSONObject: TypeAlias = Mapping[str, Any]
"""JSON that this package carries but does not look into."""

IMPORTED_TIME = "importedTime"
"""Where the metadata of an imported event has the time at which it happened."""

RUN_METADATA = frozenset({"run_id", "run_timeout", "run_deadline"})
"""What each claim says about the run that makes it."""


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    A fact about a thread: past tense, immutable, JSON-shaped.

    Subclasses are the wire format: the class name is the recorded `type`, each field is a
    key of `data`, and the fields named in `METADATA` are keys of `metadata` instead. A
    field whose value is None is left out. Fields may be added with a default; a changed
    meaning needs a higher `SCHEMA_VERSION` and an upcaster.
    """

    METADATA: ClassVar[frozenset[str]] = frozenset()
    SCHEMA_VERSION: ClassVar[int] = 1
    IS_SHARED: ClassVar[bool] = False
    """Whether one instance is recorded in many streams, so that its texts are worth keeping."""


class UnknownEvent(Event, frozen=True, kw_only=True):
    """A recorded event that this process can not read as a known type: carried, never dropped."""

    type_name: str
    data: Any = None
    reason: str = "unknown type"


class RecordedEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """
    An event as the store holds it.

    `position` counts from 0 without gaps within the stream; `global_position` grows within
    the whole store, with gaps. `time` is UTC, without a time zone, as Message DB keeps it.
    The stored texts are there where the reader kept them.
    """

    id: str
    event: Event
    stream_name: str
    position: int
    global_position: int
    time: datetime
    metadata_text: str | None = None
    data_text: str | None = None

    @property
    def type(self) -> str:
        """The recorded type name."""
        event = self.event
        return event.type_name if isinstance(event, UnknownEvent) else type(event).__name__
