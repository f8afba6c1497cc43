"""What the parts of the store contract share."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import uuid4

from hypothesis import HealthCheck, settings

from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import digest, from_json
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.store.base import EventStore, NewEvent

T = TypeVar("T")

EXAMPLES = settings(
    # Each example has a stream of its own, and a class of its own runs it for each store.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ],
    deadline=None,
    max_examples=25,
)


def new_stream() -> str:
    """The name of a stream that nobody has written to."""
    return f"contract:v0-{uuid4()}"


def said(text: str, **metadata: Any) -> NewEvent:
    """An event that is easy to tell from others."""
    return NewEvent(event=UserMessageAdded(message=text), metadata=metadata or None)


def texts_of(store: EventStore, stream_name: str, position: int = 0) -> list[str]:
    """What the messages of a stream say, in order."""
    found = (record.event for record in store.read(stream_name, position=position))
    return [event.message for event in found if isinstance(event, UserMessageAdded)]


def at_once(count: int, work: Callable[[int], T]) -> list[T | BaseException]:
    """The results, or errors, of the same work done by several threads."""
    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(work, number) for number in range(count)]
    return [future.exception() or future.result() for future in futures]


def content(event: Event) -> tuple[str, str, str]:
    """All that an event says, in whichever order its objects have their keys."""
    type_name, data, metadata = encode(event)
    return type_name, digest(from_json(data)), digest(from_json(metadata or "{}"))


def comparable(record: RecordedEvent) -> tuple[Any, ...]:
    """All that a recorded event says; the text of its JSON may be laid out in many ways."""
    return (
        record.id,
        content(record.event),
        record.stream_name,
        record.position,
        record.global_position,
        record.time,
        record.metadata_text and json.loads(record.metadata_text),
    )
