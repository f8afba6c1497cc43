"""
Reading what is archived.

Nobody looks here who finds a stream in its place, so that reading a thread costs what it
costs without an archive.
"""

from __future__ import annotations

from typing import LiteralString

from messagedb_agent.events.codec import EventRow
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.rows import event_row

OPENINGS: LiteralString = r"""
    FROM messagedb_agent.archive AS opening
    WHERE opening.position = 0
      AND regexp_replace(
              message_store.category(opening.stream_name), '\+[0-9][0-9](:[^:]*)$', '\1') = $1
"""
"""SQL for the beginnings of the archived threads of the category in `$1`, and of its shards."""

MESSAGES: LiteralString = "message_store.messages"
"""The events of the threads that are in their place: Message DB's table."""

ARCHIVED_MESSAGES: LiteralString = "messagedb_agent.archived_messages"
"""The events of archived threads, in the columns of Message DB's table."""

ALL_MESSAGES: LiteralString = "messagedb_agent.events"
"""The events of all threads, in the columns of Message DB's table."""

EXISTS: LiteralString = "SELECT to_regclass('messagedb_agent.archive')::text"
"""One row: the name of the table, or NULL where nothing was ever archived."""

# The positions of a stream have no gaps, which tells the rows that hold a page.
PAGE: LiteralString = """
    SELECT event.id::text, kept.stream_name, event.type, event.position, event.global_position,
           event.data::text, event.metadata::text, event.time
    FROM messagedb_agent.archive AS kept CROSS JOIN LATERAL unnest(kept.events) AS event
    WHERE kept.stream_name = $1
      AND kept.position > $2::bigint - 100 AND kept.position < $2::bigint + $3::bigint
      AND event.position >= $2::bigint AND event.position < $2::bigint + $3::bigint
    ORDER BY event.position
"""

VERSION: LiteralString = """
    SELECT position + cardinality(events) - 1 FROM messagedb_agent.archive
    WHERE stream_name = $1 ORDER BY position DESC LIMIT 1
"""

_ALL = f"""
    SELECT opening.stream_name {OPENINGS} ORDER BY opening.global_position
"""

_BEGINNING = f"""
    SELECT opening.stream_name {OPENINGS}
      AND starts_with(message_store.id(opening.stream_name), $2)
    ORDER BY message_store.id(opening.stream_name) = $2 DESC, opening.global_position DESC LIMIT 4
"""


def has_archive(connection: QuickConnection) -> bool:
    """Whether the database has a place for archived threads."""
    return connection.query(EXISTS)[0][0] is not None


def archived_rows(connection: QuickConnection, stream_name: str) -> list[EventRow]:
    """All events of an archived stream; none for one that is not archived."""
    rows: list[EventRow] = []
    while has_archive(connection):
        wanted = (stream_name, str(len(rows)), str(DEFAULT_BATCH_SIZE))
        page = connection.query(PAGE, wanted)
        rows.extend(map(event_row, page))
        if len(page) < DEFAULT_BATCH_SIZE:
            break
    return rows


def archived_streams(connection: QuickConnection, category: str) -> tuple[str, ...]:
    """The streams of all archived threads of a category, the oldest first."""
    if not has_archive(connection):
        return ()
    return tuple(str(row[0]) for row in connection.query(_ALL, (category,)))


def find_archived(connection: QuickConnection, category: str, part: str) -> tuple[str, ...]:
    """
    Up to four archived streams of threads whose ids begin so, the newest first.

    Only one for a thread with this very id.
    """
    if not has_archive(connection):
        return ()
    names = tuple(str(row[0]) for row in connection.query(_BEGINNING, (category, part)))
    is_exact = bool(names) and names[0].partition("-")[2] == part
    return names[:1] if is_exact else names
