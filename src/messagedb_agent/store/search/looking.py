"""Looking at events themselves: those of the newest threads, those of all, those of the archive."""

from __future__ import annotations

import json
from collections.abc import Sequence

from messagedb_agent.store.archive.reading import ARCHIVED_MESSAGES, MESSAGES, OPENINGS
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search.wishes import Query, Wish
from messagedb_agent.store.shards import CATEGORIES

GLANCE_THREADS = 300
GLANCE_EVENTS = 5_000
"""How many of the newest threads, and of their events, are looked at in some milliseconds."""

# The events of a stream are numbered, so the last one tells how many there are to look at.
_GLANCE = f"""
    WITH newest AS MATERIALIZED (
        SELECT found.stream_name, found.global_position
        FROM unnest({CATEGORIES}) AS shard (category)
        CROSS JOIN LATERAL (
            SELECT stream_name, global_position
            FROM message_store.messages
            WHERE position = 0
              AND message_store.category(stream_name) BETWEEN shard.category AND shard.category
            ORDER BY message_store.category(stream_name) DESC, global_position DESC
            LIMIT $3::bigint + 1
        ) AS found
        ORDER BY found.global_position DESC LIMIT $3::bigint + 1
    ), near AS MATERIALIZED (
        SELECT stream_name, global_position,
               row_number() OVER newer <= $3::bigint
               AND sum(events) OVER newer <= $4::bigint AS is_near
        FROM newest CROSS JOIN LATERAL (
            SELECT position + 1 AS events FROM message_store.messages
            WHERE stream_name = newest.stream_name
            ORDER BY position DESC LIMIT 1
        ) AS last
        WINDOW newer AS (ORDER BY global_position DESC)
    )
    SELECT (SELECT bool_and(is_near) FROM near), array_to_json(ARRAY(
        SELECT opening.stream_name
        FROM (SELECT * FROM near WHERE is_near) AS opening
        {{joins}}
        ORDER BY opening.global_position DESC LIMIT $2
    ))
"""  # noqa: S608 - made of constants

_ALL = """
    SELECT opening.stream_name
    FROM ({found}) AS found
    JOIN message_store.messages AS opening
      ON opening.stream_name = found.stream_name AND opening.position = 0
    ORDER BY opening.global_position DESC LIMIT $2
"""

_FOUND = f"""
    SELECT DISTINCT event.stream_name FROM message_store.messages AS event
    WHERE message_store.category(event.stream_name) = ANY ({CATEGORIES}) AND {{shown}}
"""  # noqa: S608 - made of constants

_ARCHIVED = f"""
    SELECT opening.stream_name
    FROM (SELECT opening.stream_name, opening.global_position {OPENINGS}) AS opening
    {{joins}}
    ORDER BY opening.global_position DESC LIMIT $2
"""  # noqa: S608 - made of constants


def glance(
    connection: QuickConnection,
    category: str,
    limit: int,
    wishes: Sequence[Wish],
    *,
    times: int = 1,
) -> tuple[str, ...] | None:
    """
    What the newest threads have, up to `limit`; None when others have to be looked at too.

    `times` as many threads and events as usual are looked at.
    """
    sizes = GLANCE_THREADS * times, GLANCE_EVENTS * times
    query = Query(category, str(limit), *map(str, sizes))
    sql = _GLANCE.format(joins=query.joins(wishes, MESSAGES))
    ((is_all, names),) = connection.query(sql, query.parameters)
    found = json.loads(names or "[]")
    return tuple(found) if len(found) == limit or is_all in (None, "t", "True") else None


def look_at_all(
    connection: QuickConnection, category: str, limit: int, wishes: Sequence[Wish]
) -> tuple[str, ...]:
    """The newest threads that have it, after reading all events once, in the order of the disk."""
    query = Query(category, str(limit))
    found = " INTERSECT ".join(_FOUND.format(shown=query.shown(wish)) for wish in wishes)
    rows = connection.query(_ALL.format(found=found), query.parameters)
    return tuple(str(row[0]) for row in rows)


def look_at_archive(
    connection: QuickConnection, category: str, limit: int, wishes: Sequence[Wish]
) -> tuple[str, ...]:
    """The newest archived threads that have it."""
    query = Query(category, str(limit))
    sql = _ARCHIVED.format(joins=query.joins(wishes, ARCHIVED_MESSAGES))
    return tuple(str(row[0]) for row in connection.query(sql, query.parameters))
