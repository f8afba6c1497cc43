"""Moving the rows of a stream into the archive and back, in the caller's transaction."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

_ARCHIVE: LiteralString = """
    WITH moved AS (DELETE FROM message_store.messages WHERE stream_name = $1 RETURNING *)
    INSERT INTO messagedb_agent.archive (stream_name, position, global_position, time, events)
    SELECT stream_name, position / 100 * 100,
           (array_agg(global_position ORDER BY position))[1],
           (array_agg(time ORDER BY position))[1],
           array_agg(
               ROW(id, type, position, global_position, data, metadata, time)
                   ::messagedb_agent.archived_event
               ORDER BY position)
    FROM moved GROUP BY stream_name, position / 100
    RETURNING cardinality(events)
"""

# In order, so that all that is moved is gone from the archive before the guard looks there.
_UNARCHIVE: LiteralString = """
    WITH moved AS (DELETE FROM messagedb_agent.archive WHERE stream_name = $1 RETURNING *)
    INSERT INTO message_store.messages
        (global_position, position, time, stream_name, type, data, metadata, id)
    SELECT event.global_position, event.position, event.time, moved.stream_name, event.type,
           event.data, event.metadata, event.id
    FROM moved CROSS JOIN LATERAL unnest(moved.events) AS event
    ORDER BY event.position
"""

# What comes back has global positions that are behind those which are entered already.
_IS_SEARCHED: LiteralString = """
    SELECT to_regclass('messagedb_agent.search_entries') IS NOT NULL
       AND to_regprocedure('messagedb_agent.search_enter(text)') IS NOT NULL
"""
_ENTER: LiteralString = "SELECT messagedb_agent.search_enter($1)"

_HAS_SNAPSHOTS: LiteralString = "SELECT to_regclass('messagedb_agent.snapshots') IS NOT NULL"
_DROP_SNAPSHOTS: LiteralString = "DELETE FROM messagedb_agent.snapshots WHERE stream_name = $1"


def archive_stream(connection: psycopg.Connection[Any], stream_name: str) -> int:
    """Move a stream out of the way, whose category the transaction has locked; how many events."""
    with psycopg.RawCursor(connection) as cursor:
        count: int = sum(row[0] for row in cursor.execute(_ARCHIVE, (stream_name,)))
        if cursor.execute(_HAS_SNAPSHOTS).fetchone() == (True,):
            cursor.execute(_DROP_SNAPSHOTS, (stream_name,))
    return count


def unarchive_stream(connection: psycopg.Connection[Any], stream_name: str) -> int:
    """Move a stream back to where it was, under the same lock; how many events."""
    with psycopg.RawCursor(connection) as cursor:
        count = cursor.execute(_UNARCHIVE, (stream_name,)).rowcount
        if cursor.execute(_IS_SEARCHED).fetchone() == (True,):
            cursor.execute(_ENTER, (stream_name,))
    return count
