"""Finding threads by what was said in them, or by what happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from messagedb_agent.errors import SchemaMissingError, StoreUnavailableError
from messagedb_agent.store.archive.reading import MESSAGES
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search.index import IS_COMPLETE, catch_up, nobody
from messagedb_agent.store.search.looking import glance, look_at_all, look_at_archive
from messagedb_agent.store.search.wishes import Query, Wish, wishes_for
from messagedb_agent.store.shards import CATEGORIES

MOST_CANDIDATES = 100_000
"""To look at more events than this takes longer than to look at all."""

WIDE_GLANCE = 10
"""How much further a glance goes for what the index does not tell of."""

# Each candidate is looked at, for texts may have the same pieces and not be the same: those of the
# newest threads first, until there are enough.
_AMONG = f"""
    WITH candidate AS MATERIALIZED (
        SELECT began, position FROM messagedb_agent.search_among({{terms}}, $3::bigint)
    )
    SELECT CASE WHEN {IS_COMPLETE} AND (SELECT count(*) FROM candidate) < $3::bigint
    THEN array_to_json(ARRAY(
        SELECT DISTINCT ON (entry.began) opening.stream_name
        FROM (SELECT * FROM candidate ORDER BY began DESC) AS entry
        CROSS JOIN LATERAL (
            SELECT stream_name FROM message_store.messages
            WHERE global_position = entry.began
              AND message_store.category(stream_name) = ANY ({CATEGORIES})
            LIMIT 1
        ) AS opening
        CROSS JOIN LATERAL (
            SELECT FROM message_store.messages AS event
            WHERE event.stream_name = opening.stream_name
              AND event.position = entry.position AND {{shown}}
            LIMIT 1
        ) AS told
        {{joins}}
        ORDER BY entry.began DESC LIMIT $2
    )) END
"""  # noqa: S608 - made of constants


def search_threads(
    connection: QuickConnection,
    category: str,
    limit: int,
    *,
    text: str | None = None,
    types: Sequence[str] = (),
    since: datetime | None = None,
    archived: bool = False,
    on_many: Callable[[], object] = nobody,
) -> tuple[str, ...]:
    """
    The newest streams with an event of these types, and with the text, if they are given.

    The text may stand in a message, an answer or the title; upper and lower case are the
    same. `since` leaves those in which something happened since then, and `archived` is as in
    `newest_threads`. What many threads have is soon met in the newest; what few have is found
    by an index, if there can be one, and all else by looking at all events. `on_many` is called
    when many events have to be entered into the index first.
    """
    wishes = wishes_for(text, types, since)
    if archived:
        return look_at_archive(connection, category, limit, wishes)
    names = glance(connection, category, limit, wishes)
    if names is None and any(wish.clue for wish in wishes):
        names = _look_up(connection, category, limit, wishes, on_many)
    if names is None:
        # Far enough for a long page of what one thread in three has.
        times = max(WIDE_GLANCE, limit // 100)
        names = glance(connection, category, limit, wishes, times=times)
    return look_at_all(connection, category, limit, wishes) if names is None else names


def _look_up(
    connection: QuickConnection,
    category: str,
    limit: int,
    wishes: Sequence[Wish],
    on_many: Callable[[], object],
) -> tuple[str, ...] | None:
    """What the index tells of; None when there can be none, or when it is dropped meanwhile."""
    try:
        reached = catch_up(connection, category, on_many)
    except (StoreUnavailableError, SchemaMissingError):
        # Who may not write can't enter anything; if more is wrong, looking at all will meet it.
        return None
    with suppress(SchemaMissingError):
        return _indexed(connection, category, limit, wishes, reached)
    return None


def _indexed(
    connection: QuickConnection, category: str, limit: int, wishes: Sequence[Wish], reached: str
) -> tuple[str, ...] | None:
    """What the index tells of; None when it does not tell of all, or of too much."""
    for wish in wishes:
        if wish.clue is None:
            continue
        query = Query(category, str(limit), str(MOST_CANDIDATES))
        sql = _AMONG.format(
            terms=query.with_value(wish.clue.terms, wish.clue.value),
            shown=query.shown(wish),
            reached=query.with_value("{value}", reached),
            joins=query.joins((other for other in wishes if other is not wish), MESSAGES),
        )
        ((names,),) = connection.query(sql, query.parameters)
        if names is not None:
            return tuple(json.loads(names))
    return None
