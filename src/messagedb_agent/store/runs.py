"""The newest runs of a category, for those who list them."""

from __future__ import annotations

import json
from collections import defaultdict

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import decode
from messagedb_agent.projections.run import RUN
from messagedb_agent.projections.runs import RunSummary, runs
from messagedb_agent.projections.tool_calls import TOOL_CALLS
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.rows import event_row

# By the category's index, from its end: runs that are over or long ago cost nothing. The sum is
# what the index holds; see docs/adr/0002.
_CLAIMS = """
    SELECT stream_name, metadata ->> 'run_id', max(global_position)
    FROM (
        SELECT stream_name, type, metadata, global_position
        FROM message_store.messages
        WHERE message_store.category(stream_name) = $1
        ORDER BY global_position + 0 DESC LIMIT $2
    ) AS newest
    WHERE type IN ('LLMCallRequested', 'ToolExecutionRequested') AND metadata ? 'run_id'
    GROUP BY 1, 2 ORDER BY 3 DESC
"""

_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM message_store.messages
        WHERE message_store.category(stream_name) = $1
        ORDER BY global_position + 0 DESC LIMIT $2
    ) AS newest
"""

# From the first of these runs on, without what tools and models said: a list has no use for it.
_EVENTS = """
    WITH first AS (
        SELECT stream_name, min(position) AS position FROM message_store.messages
        WHERE stream_name = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
          AND metadata ->> 'run_id' = ANY (ARRAY(SELECT json_array_elements_text($2::json)))
        GROUP BY stream_name
    )
    SELECT id, stream_name, type, message.position, global_position,
           data - '{result,content,response_text,projected_context}'::text[], metadata, time
    FROM message_store.messages AS message JOIN first USING (stream_name)
    WHERE message.position >= first.position
      AND type = ANY (ARRAY(SELECT json_array_elements_text($3::json)))
    ORDER BY stream_name, message.position
"""

_TYPES = json.dumps(sorted({kind.__name__ for kind in (*RUN.handlers, *TOOL_CALLS.handlers)}))

_FIRST_LOOK = 2_000


def newest_runs(connection: QuickConnection, category: str, limit: int) -> tuple[RunSummary, ...]:
    """The runs that did something last, newest first."""
    looked_at = _FIRST_LOOK
    while True:
        rows = connection.query(_CLAIMS, (category, str(looked_at)))[:limit]
        if len(rows) >= limit or _is_all(connection, category, looked_at):
            break
        looked_at *= 8
    names = json.dumps(sorted({row[0] for row in rows if row[0]}))
    wanted = [str(row[1]) for row in rows]
    records = defaultdict[str, list[RecordedEvent]](list)
    for row in connection.query(_EVENTS, (names, json.dumps(wanted), _TYPES)):
        record = decode(event_row(row))
        records[record.stream_name].append(record)
    found = [run for each in records.values() for run in runs(each) if run.run_id in wanted]
    return tuple(sorted(found, key=lambda run: wanted.index(run.run_id)))


def _is_all(connection: QuickConnection, category: str, looked_at: int) -> bool:
    return int(connection.query(_COUNT, (category, str(looked_at)))[0][0] or 0) < looked_at
