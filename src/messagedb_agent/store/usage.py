"""Token usage, summed by the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from messagedb_agent.store.archive.reading import ARCHIVED_MESSAGES, MESSAGES, OPENINGS, has_archive
from messagedb_agent.store.quick import QuickConnection, Row
from messagedb_agent.store.shards import CATEGORIES
from messagedb_agent.store.summaries.keeping import NOTHING, keep_up
from messagedb_agent.store.summaries.parts import CALLS, SO_FAR, STREAMS, SUMS, USED

_BY_DAY = f"""
    SELECT stream, day, model, {SUMS}
    FROM (
        SELECT CASE WHEN $2 = 'thread' THEN stream_name END AS stream, * FROM ({CALLS}) AS calls
    ) AS calls
    GROUP BY stream, day, model, step
    ORDER BY day, stream, model
"""  # noqa: S608 - made of constants

_OF_STREAMS = f"""
    SELECT wanted.stream_name, sums.*
    FROM ({STREAMS}) AS wanted
    {SO_FAR}
    {USED}
    CROSS JOIN LATERAL (
        SELECT part ->> 0 AS day, part ->> 1 AS model,
               {", ".join(f"part ->> {place}" for place in range(3, 9))}
        FROM jsonb_array_elements(used.usage) AS part
    ) AS sums
    ORDER BY day, wanted.stream_name, model
"""  # noqa: S608 - made of constants


class UsageSum(NamedTuple):
    """What calls of one day to one model used; `stream_name` only when threads stay apart."""

    stream_name: str | None
    day: date
    model_name: str
    calls: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


def category_usage(
    connection: QuickConnection, category: str, *, by_thread: bool = False
) -> tuple[UsageSum, ...]:
    """The sums of a whole category, with its archived threads."""
    who = (category, "thread" if by_thread else "all")
    scope = f"message_store.category(stream_name) = ANY ({CATEGORIES})"
    live = _sums(connection, _BY_DAY.format(messages=MESSAGES, scope=scope), who)
    if not has_archive(connection):
        return live
    scope = f"stream_name IN (SELECT opening.stream_name {OPENINGS})"
    kept = _sums(connection, _BY_DAY.format(messages=ARCHIVED_MESSAGES, scope=scope), who)
    return tuple(sorted((*live, *kept), key=lambda row: (row.day, row.model_name)))


def stream_usage(
    connection: QuickConnection, stream_names: Sequence[str], *, archived: bool = False
) -> tuple[UsageSum, ...]:
    """The sums of these streams, each apart; `archived` says whether they are."""
    names = (json.dumps(list(stream_names)),)
    statement = _OF_STREAMS.format(
        kept=NOTHING if archived else keep_up(connection, STREAMS, names),
        messages=ARCHIVED_MESSAGES if archived else MESSAGES,
    )
    return _sums(connection, statement, names)


def _sums(
    connection: QuickConnection, statement: str, parameters: Sequence[str]
) -> tuple[UsageSum, ...]:
    return tuple(map(_sum, connection.query(statement, parameters)))


def _sum(row: Row) -> UsageSum:
    stream_name, day, model_name, *counts = row
    calls, tokens_in, tokens_out, total, read, written = (int(float(n or 0)) for n in counts)
    return UsageSum(
        stream_name,
        date.fromisoformat(str(day)),
        str(model_name),
        calls,
        tokens_in,
        tokens_out,
        total or tokens_in + tokens_out,
        read,
        written,
    )
