"""Folding stored threads with this version of the program, to see whether it still can."""

from __future__ import annotations

from collections.abc import Iterator

from messagedb_agent.events.base import UnknownEvent
from messagedb_agent.events.codec import decode
from messagedb_agent.events.registry import lookup
from messagedb_agent.projections.next_step import project_to_next_step
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.shards import categories
from messagedb_agent.store.threads import read_rows

_PAGE = 500

_THREADS = """
    SELECT stream_name, global_position FROM message_store.messages
    WHERE position = 0 AND message_store.category(stream_name) = $1 AND global_position > $2
    ORDER BY global_position LIMIT $3
"""


def replay_category(connection: QuickConnection, category: str) -> Iterator[tuple[str, str | None]]:
    """Each thread of a category with what is wrong with it, or None."""
    for name in categories(connection, category):
        position = "0"
        while page := connection.query(_THREADS, (name, position, str(_PAGE))):
            for stream_name, global_position in page:
                position = str(global_position)
                yield str(stream_name), _problem(connection, str(stream_name))


def _problem(connection: QuickConnection, stream_name: str) -> str | None:
    records = [decode(row) for row in read_rows(connection, stream_name)]
    for record in records:
        event = record.event
        if isinstance(event, UnknownEvent) and lookup(event.type_name) is not None:
            return f"event {record.position} can not be read: {event.reason}"
    if [record.position for record in records] != list(range(len(records))):
        return "its positions have gaps"
    try:
        project_to_next_step([record.event for record in records])
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return f"its next step is an error: {type(error).__name__}: {error}"
    return None
