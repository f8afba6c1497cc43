"""Finding threads: by prefix, the last one, the newest ones with what they count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from messagedb_agent.errors import ThreadArchivedError, ThreadNotFoundError, UsageError
from messagedb_agent.events.codec import EventRow
from messagedb_agent.events.json_text import from_json
from messagedb_agent.store.archive.reading import (
    ARCHIVED_MESSAGES,
    MESSAGES,
    OPENINGS,
    archived_rows,
    find_archived,
)
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE, MAX_ANCESTORS
from messagedb_agent.store.quick import QuickConnection, Row
from messagedb_agent.store.rows import event_row
from messagedb_agent.store.shards import CATEGORIES
from messagedb_agent.store.summaries.keeping import NOTHING, keep_up
from messagedb_agent.store.summaries.parts import COUNTED, COUNTS, PENDING, SO_FAR

_LAST_MODEL = """
    SELECT data::json ->> 'model_name'
    FROM message_store.get_last_stream_message($1, 'LLMCallRequested')
"""

# Asked for by a range of one category, in the order of the index that holds one entry for each
# thread. For `= $1` the planner would rather read all messages backwards until it has met enough
# beginnings, which takes long when the newest threads are long.
_OPENINGS = f"""
        SELECT opening.*
        FROM unnest({CATEGORIES}) AS shard (category)
        CROSS JOIN LATERAL (
            SELECT stream_name, time, global_position
            FROM message_store.messages
            WHERE position = 0
              AND message_store.category(stream_name) BETWEEN shard.category AND shard.category
              AND ($3::json IS NULL
                   OR stream_name = ANY (ARRAY(SELECT json_array_elements_text($3::json))))
            ORDER BY message_store.category(stream_name) DESC, global_position DESC LIMIT $2
        ) AS opening
        ORDER BY opening.global_position DESC LIMIT $2
"""  # noqa: S608 - made of constants

_ARCHIVED_OPENINGS = f"""
        SELECT opening.stream_name, opening.time, opening.global_position {OPENINGS}
          AND ($3::json IS NULL
               OR stream_name = ANY (ARRAY(SELECT json_array_elements_text($3::json))))
        ORDER BY opening.global_position DESC LIMIT $2
"""

_WANTED = "SELECT stream_name, time, global_position AS began FROM ({openings}) AS newest"
_NEWEST = f"""
    SELECT wanted.stream_name, wanted.time, {COUNTS}, cardinality(asking.pending)
    FROM ({{wanted}}) AS wanted {SO_FAR} {COUNTED} {PENDING}
    ORDER BY wanted.began DESC
"""  # noqa: S608 - made of constants

_LAST = f"""
    SELECT stream_name FROM message_store.messages
    WHERE message_store.category(stream_name) = ANY ({CATEGORIES})
    ORDER BY global_position DESC LIMIT 1
"""  # noqa: S608 - made of constants

# Where a thread with this very id began, for each category in which it may have.
_PLACES = f"""
    SELECT shard.category,
           (SELECT global_position FROM message_store.messages
            WHERE stream_name = shard.category || '-' || $2 AND position = 0)
    FROM unnest({CATEGORIES}) AS shard (category)
"""  # noqa: S608 - made of constants

# A condition for each category, so that each is a range of the index of streams.
_BY_PREFIX = """
    SELECT stream_name FROM message_store.messages
    WHERE position = 0
      AND message_store.category(stream_name) = ANY (ARRAY(SELECT json_array_elements_text($1)))
      AND ({fits})
    ORDER BY global_position DESC LIMIT 4
"""

_EVENTS = """
    SELECT id, stream_name, type, position, global_position, data, metadata, time
    FROM message_store.get_stream_messages($1, $2, $3)
"""


class ThreadSummary(NamedTuple):
    """One line of `list`. Times are UTC; `end_time` is None while the thread is open."""

    thread_id: str
    stream_name: str
    status: str
    message_count: int
    llm_call_count: int
    tool_call_count: int
    error_count: int
    pending_approvals: int
    last_activity: str
    start_time: str
    end_time: str | None


def newest_threads(
    connection: QuickConnection,
    category: str,
    limit: int,
    among: Sequence[str] | None = None,
    *,
    archived: bool = False,
) -> tuple[ThreadSummary, ...]:
    """
    The threads of a category that began last, newest first; `among` these streams.

    They are those that are not archived, or those that are, of which there are none where
    `has_archive` says so.
    """
    names = None if among is None else json.dumps(list(among))
    parameters = (category, str(limit), names)
    wanted = _WANTED.format(openings=_ARCHIVED_OPENINGS if archived else _OPENINGS)
    query = _NEWEST.format(
        wanted=wanted,
        kept=NOTHING if archived else keep_up(connection, wanted, parameters),
        messages=ARCHIVED_MESSAGES if archived else MESSAGES,
    )
    return tuple(_summary(row) for row in connection.query(query, parameters))


def find_stream(
    connection: QuickConnection, category: str, thread: str, *, archived: bool = False
) -> str:
    """
    The stream of a thread given by its id, by a unique beginning of it, or as `last`.

    It may be in any shard of the category; should two have the id, it is the newer one.
    `archived` says whether an archived thread will do: it is looked for where nothing else
    fits. Raises `ThreadNotFoundError` when there is none, `ThreadArchivedError` when it won't
    do, and `UsageError` when several fit.
    """
    if thread == "last":
        rows = connection.query(_LAST, (category,))
        if not rows:
            if find_archived(connection, category, ""):
                raise ThreadNotFoundError(
                    f"all threads in {category} are archived; `./cli unarchive` brings one back"
                )
            raise ThreadNotFoundError(
                f"there are no threads in {category} yet; `./cli start` begins one"
            )
        return str(rows[0][0])
    if not thread:
        raise UsageError("the thread id is empty; give an id, a beginning of one, or `last`")
    places = _places(connection, category, thread)
    if places.exact:
        return places.exact
    found = _beginning(connection, places.categories, thread)
    kept = () if found else find_archived(connection, category, thread)
    if not (found or kept):
        raise ThreadNotFoundError(
            f"there is no thread {thread[:80]}; `./cli list` shows what there is"
        )
    if len(found) + len(kept) > 1:
        names = ", ".join(name.partition("-")[2] for name in (*found, *kept)[:3])
        raise UsageError(f"{thread[:80]} could be several threads: {names} …; give more of the id")
    if kept and not archived:
        raise ThreadArchivedError(kept[0])
    return (*found, *kept)[0]


def thread_exists(connection: QuickConnection, category: str, thread_id: str) -> bool:
    """
    Whether the category, or one of its shards, has a thread with this very id.

    Raises `ThreadArchivedError` when it is archived.
    """
    if _places(connection, category, thread_id).exact is not None:
        return True
    kept = find_archived(connection, category, thread_id)
    if kept and kept[0].partition("-")[2] == thread_id:
        raise ThreadArchivedError(kept[0])
    return False


class _Places(NamedTuple):
    """Where a thread may be, and the stream with its very id if there is one."""

    categories: tuple[str, ...]
    exact: str | None


def _places(connection: QuickConnection, category: str, thread_id: str) -> _Places:
    rows = connection.query(_PLACES, (category, thread_id))
    begun = [(int(position), f"{name}-{thread_id}") for name, position in rows if position]
    return _Places(tuple(str(name) for name, _ in rows), max(begun)[1] if begun else None)


def _beginning(connection: QuickConnection, categories: Sequence[str], part: str) -> list[str]:
    """Up to four streams of threads whose ids begin so, the newest first."""
    wanted = [f"{name}-{part}" for name in categories]
    fits = " OR ".join(f"starts_with(stream_name, ${place + 2})" for place in range(len(wanted)))
    rows = connection.query(_BY_PREFIX.format(fits=fits), (json.dumps(categories), *wanted))
    return [str(row[0]) for row in rows]


def last_model(connection: QuickConnection, stream_name: str) -> str | None:
    """The model that was last called in a thread, None if none was."""
    rows = connection.query(_LAST_MODEL, (stream_name,))
    return str(rows[0][0]) if rows and rows[0][0] else None


def read_rows(connection: QuickConnection, stream_name: str) -> list[EventRow]:
    """All events of a stream as rows, wherever they are."""
    rows: list[EventRow] = []
    while True:
        page = connection.query(_EVENTS, (stream_name, str(len(rows)), str(DEFAULT_BATCH_SIZE)))
        if not (rows or page):
            return archived_rows(connection, stream_name)
        rows.extend(map(event_row, page))
        if len(page) < DEFAULT_BATCH_SIZE:
            return rows


def read_lineage(connection: QuickConnection, stream_name: str) -> list[EventRow]:
    """The rows of a thread, after those that it shares with the threads it was forked from."""
    rows = read_rows(connection, stream_name)
    lineage = [rows]
    while rows and rows[0].type == "ThreadForked" and len(lineage) < MAX_ANCESTORS:
        fork = from_json(rows[0].data or "{}")
        rows = read_rows(connection, str(fork.get("origin_stream_name")))
        lineage.append(rows[: int(fork.get("origin_position", -1)) + 1])
    return [row for rows in reversed(lineage) for row in rows]


def _summary(row: Row) -> ThreadSummary:
    stream_name, start, last, said, calls, tools, errors, ended, life, turn, pending = row
    waiting = int(pending or 0)
    status = life if life in ("completed", "failed") else "waiting" if waiting else turn
    return ThreadSummary(
        thread_id=str(stream_name).partition("-")[2],
        stream_name=str(stream_name),
        status=status or "active",
        message_count=int(said or 0),
        llm_call_count=int(calls or 0),
        tool_call_count=int(tools or 0),
        error_count=int(errors or 0),
        pending_approvals=waiting,
        last_activity=iso(last),
        start_time=iso(start),
        end_time=iso(ended) if ended and life != "active" else None,
    )


def iso(timestamp: str | None) -> str:
    """A timestamp as PostgreSQL prints it, in ISO 8601, UTC."""
    return f"{str(timestamp).replace(' ', 'T')}Z"
