"""Finding threads: by prefix, the last one, the newest ones with what they count."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from messagedb_agent.errors import ThreadNotFoundError, UsageError
from messagedb_agent.events.codec import EventRow
from messagedb_agent.events.json_text import from_json
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE
from messagedb_agent.store.quick import QuickConnection, Row

# Asked for by a range of one category, in the order of the index that holds one entry for each
# thread. For `= $1` the planner would rather read all messages backwards until it has met enough
# beginnings, which takes long when the newest threads are long.
_NEWEST = """
    WITH newest AS (
        SELECT stream_name, time, global_position
        FROM message_store.messages
        WHERE position = 0 AND message_store.category(stream_name) BETWEEN $1 AND $1
          AND ($3::json IS NULL
               OR stream_name = ANY (ARRAY(SELECT json_array_elements_text($3::json))))
        ORDER BY message_store.category(stream_name) DESC, global_position DESC LIMIT $2
    )
    SELECT newest.stream_name, newest.time, counted.*, asked.pending
    FROM newest
    CROSS JOIN LATERAL (
        SELECT max(time),
               count(*) FILTER (WHERE type = 'UserMessageAdded'),
               count(*) FILTER (WHERE type = 'LLMResponseReceived'),
               count(*) FILTER (WHERE type = 'ToolExecutionRequested'),
               count(*) FILTER (WHERE type IN
                   ('LLMCallFailed', 'ToolExecutionFailed', 'ErrorOccurred')),
               max(time) FILTER (WHERE type = 'SessionCompleted'),
               (array_agg(
                   CASE type WHEN 'SessionCompleted' THEN
                            CASE WHEN coalesce(data ->> 'completion_reason', 'success') = 'success'
                                 THEN 'completed' ELSE 'failed' END
                        WHEN 'ThreadReopened' THEN 'active' END
                   ORDER BY position DESC)
                   FILTER (WHERE type IN ('SessionCompleted', 'ThreadReopened')))[1],
               (array_agg(
                   CASE type WHEN 'TurnInterrupted' THEN 'interrupted'
                        WHEN 'LimitReached' THEN 'limit'
                        WHEN 'LLMCallFailed' THEN
                            CASE WHEN data ->> 'retryable' = 'true' THEN 'active' ELSE 'failed' END
                        ELSE 'active' END
                   ORDER BY position DESC)
                   FILTER (WHERE type IN ('TurnInterrupted', 'LimitReached', 'LLMCallFailed',
                       'UserMessageAdded', 'TurnResumed', 'LLMCallRequested', 'LLMCallStarted',
                       'LLMResponseReceived')))[1],
               count(*) FILTER (WHERE type = 'ToolApprovalRequested') AS asked
        FROM message_store.messages
        WHERE stream_name = newest.stream_name
    ) AS counted (last, messages, model_calls, tool_calls, errors, ended, life, turn, asked)
    LEFT JOIN LATERAL (
        SELECT count(*) AS pending
        FROM message_store.messages AS request
        WHERE counted.asked > 0 AND request.stream_name = newest.stream_name
          AND request.type = 'ToolApprovalRequested'
          AND NOT EXISTS (
              SELECT FROM message_store.messages AS reply
              WHERE reply.stream_name = request.stream_name
                AND reply.position > request.position
                AND reply.type IN ('ToolExecutionApproved', 'ToolExecutionRejected',
                    'ToolExecutionRequested', 'ToolExecutionCompleted', 'ToolExecutionFailed')
                AND coalesce(reply.metadata ->> 'tool_call_id', reply.metadata ->> 'tool_id')
                  = coalesce(request.metadata ->> 'tool_call_id', request.metadata ->> 'tool_id'))
    ) AS asked ON true
    ORDER BY newest.global_position DESC
"""

_LAST = """
    SELECT stream_name FROM message_store.messages
    WHERE message_store.category(stream_name) = $1
    ORDER BY global_position DESC LIMIT 1
"""

_BY_PREFIX = """
    SELECT stream_name FROM message_store.messages
    WHERE position = 0 AND message_store.category(stream_name) = $1
      AND starts_with(stream_name, $2)
    ORDER BY (stream_name = $2) DESC, global_position DESC LIMIT 4
"""

_EVENTS = """
    SELECT id, stream_name, type, position, global_position, data, metadata, time
    FROM message_store.get_stream_messages($1, $2, $3)
"""


MAX_ANCESTORS = 100


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
    connection: QuickConnection, category: str, limit: int, among: Sequence[str] | None = None
) -> tuple[ThreadSummary, ...]:
    """The threads of a category that were started last, newest first; `among` these streams."""
    names = None if among is None else json.dumps(list(among))
    rows = connection.query(_NEWEST, (category, str(limit), names))
    return tuple(_summary(row) for row in rows)


def find_stream(connection: QuickConnection, category: str, thread: str) -> str:
    """
    The stream of a thread given by its id, by a unique beginning of it, or as `last`.

    Raises `ThreadNotFoundError` when there is none, and `UsageError` when several fit.
    """
    if thread == "last":
        rows = connection.query(_LAST, (category,))
        if not rows:
            raise ThreadNotFoundError(
                f"there are no threads in {category} yet; `./cli start` begins one"
            )
        return str(rows[0][0])
    if not thread:
        raise UsageError("the thread id is empty; give an id, a beginning of one, or `last`")
    wanted = f"{category}-{thread}"
    found = [str(row[0]) for row in connection.query(_BY_PREFIX, (category, wanted))]
    if not found:
        raise ThreadNotFoundError(
            f"there is no thread {thread[:80]}; `./cli list` shows what there is"
        )
    if found[0] == wanted or len(found) == 1:
        return found[0]
    names = ", ".join(name[len(category) + 1 :] for name in found[:3])
    raise UsageError(f"{thread[:80]} could be several threads: {names} …; give more of the id")


def read_rows(connection: QuickConnection, stream_name: str) -> list[EventRow]:
    """All events of a stream as rows."""
    rows: list[EventRow] = []
    while True:
        page = connection.query(_EVENTS, (stream_name, str(len(rows)), str(DEFAULT_BATCH_SIZE)))
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


def event_row(row: Sequence[str | None]) -> EventRow:
    event_id, stream_name, type_name, position, global_position, data, metadata, time = row
    return EventRow(
        id=str(event_id),
        stream_name=str(stream_name),
        type=str(type_name),
        position=int(position or 0),
        global_position=int(global_position or 0),
        data=data,
        metadata=metadata,
        time=datetime.fromisoformat(str(time)),
    )


def _summary(row: Row) -> ThreadSummary:
    stream_name, start, last, said, calls, tools, errors, ended, life, turn, _, pending = row
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
