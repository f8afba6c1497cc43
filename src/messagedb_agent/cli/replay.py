"""Folding and replaying stored threads with this version of the program, calling nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, LiteralString

import psycopg

from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.travel import replay
from messagedb_agent.events.base import RecordedEvent, UnknownEvent
from messagedb_agent.events.registry import lookup
from messagedb_agent.projections.next_step import project_to_next_step
from messagedb_agent.store.archive.reading import archived_streams
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import PsycopgQueries
from messagedb_agent.store.shards import CATEGORIES

_PAGE = 500

_THREADS: LiteralString = f"""
    SELECT stream_name, global_position FROM message_store.messages
    WHERE position = 0 AND message_store.category(stream_name) = ANY ({CATEGORIES})
      AND global_position > $2
    ORDER BY global_position LIMIT $3
"""  # noqa: S608 - made of constants


def replay_category(store: MessageDBClient, category: str) -> Iterator[tuple[str, str | None]]:
    """Each thread of a category, archived ones last, with what is wrong with it, or None."""
    position = 0

    def page(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
        with psycopg.RawCursor(connection) as cursor:
            return cursor.execute(_THREADS, (category, position, _PAGE)).fetchall()

    while found := store.query(page):
        for stream_name, global_position in found:
            position = global_position
            yield stream_name, _problem(store, stream_name)
    for stream_name in store.query(lambda own: archived_streams(PsycopgQueries(own), category)):
        yield stream_name, _problem(store, stream_name)


def _problem(store: MessageDBClient, stream_name: str) -> str | None:
    records = list(store.read(stream_name))
    for record in records:
        event = record.event
        if isinstance(event, UnknownEvent) and lookup(event.type_name) is not None:
            return f"event {record.position} can not be read: {event.reason}"
    if [record.position for record in records] != list(range(len(records))):
        return "its positions have gaps"
    try:
        return _divergence(read_history(store, stream_name))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return f"its next step is an error: {type(error).__name__}: {error}"


def _divergence(history: list[RecordedEvent]) -> str | None:
    project_to_next_step([record.event for record in history])
    for found in replay(history):
        return f"event {found.position}, {found.recorded}: {found.derived}"
    return None
