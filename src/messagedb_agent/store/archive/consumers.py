"""Which consumers have not come to an event yet, as far as their positions are kept here."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from messagedb_agent.store.positions import ConsumerName

_IN_STREAMS: LiteralString = """
    SELECT message_store.id(known.stream_name)
    FROM message_store.messages AS known
    CROSS JOIN LATERAL (
        SELECT latest.data ->> 'position' AS position FROM message_store.messages AS latest
        WHERE latest.stream_name = known.stream_name ORDER BY latest.position DESC LIMIT 1
    ) AS saved
    WHERE message_store.category(known.stream_name) = $1 AND known.position = 0
      -- Consumers of one thread have its id before their own.
      AND strpos(message_store.id(known.stream_name), '+') = 0
      AND saved.position::bigint < $2
    ORDER BY 1
"""

_HAS_TABLE: LiteralString = "SELECT to_regclass('messagedb_agent.consumer_positions') IS NOT NULL"

_IN_TABLE: LiteralString = """
    SELECT consumer FROM messagedb_agent.consumer_positions
    WHERE source = $1 AND coalesce(position, -1) < $2 ORDER BY 1
"""

_LAST: LiteralString = """
    SELECT global_position FROM message_store.messages
    WHERE stream_name = $1 ORDER BY position DESC LIMIT 1
"""


def consumers_behind(connection: psycopg.Connection[Any], stream_name: str) -> tuple[str, ...]:
    """The consumers of the stream's category that have not handled its last event."""
    category = stream_name.partition("-")[0]
    kept_in = ConsumerName(category, "any").stream_name("position").partition("-")[0]
    with psycopg.RawCursor(connection) as cursor:
        row = cursor.execute(_LAST, (stream_name,)).fetchone()
        if row is None:
            return ()
        found = {name for (name,) in cursor.execute(_IN_STREAMS, (kept_in, row[0]))}
        if cursor.execute(_HAS_TABLE).fetchone() == (True,):
            found |= {name for (name,) in cursor.execute(_IN_TABLE, (category, row[0]))}
    return tuple(sorted(found))
