"""Token usage, summed by the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from messagedb_agent.store.archive.reading import ARCHIVED_MESSAGES, OPENINGS, has_archive
from messagedb_agent.store.quick import QuickConnection, Row
from messagedb_agent.store.shards import CATEGORIES

_LIVE = "message_store.messages"

_COUNTS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
)

# Prices may depend on the length of the prompt, so calls of different lengths stay apart.
_STEPS = "ARRAY[100000, 128000, 200000, 256000, 272000]::numeric[]"

_COUNT = """
    CASE jsonb_typeof(data -> 'token_usage' -> '{name}')
        WHEN 'number' THEN (data -> 'token_usage' ->> '{name}')::numeric ELSE 0 END AS {name}
"""

_SUMS = """
    SELECT stream, day, model, count(*), {sums}
    FROM (
        SELECT CASE WHEN $2 = 'thread' THEN stream_name END AS stream,
               time::date AS day, coalesce(data ->> 'model_name', '') AS model, {counts}
        FROM {messages}
        WHERE {scope} AND type = 'LLMResponseReceived'
    ) AS calls
    GROUP BY stream, day, model, width_bucket(input_tokens, {steps})
    ORDER BY day, stream, model
"""


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
    scope = f"message_store.category(stream_name) = ANY ({CATEGORIES})"
    live = _sums(connection, _LIVE, scope, category, by_thread=by_thread)
    if not has_archive(connection):
        return live
    scope = f"stream_name IN (SELECT opening.stream_name {OPENINGS})"
    kept = _sums(connection, ARCHIVED_MESSAGES, scope, category, by_thread=by_thread)
    return tuple(sorted((*live, *kept), key=lambda row: (row.day, row.model_name)))


def stream_usage(
    connection: QuickConnection, stream_names: Sequence[str], *, archived: bool = False
) -> tuple[UsageSum, ...]:
    """The sums of these streams, each apart; `archived` says whether they are."""
    quoted = (name.replace("\\", "\\\\").replace('"', '\\"') for name in stream_names)
    names = ",".join(f'"{name}"' for name in quoted)
    messages = ARCHIVED_MESSAGES if archived else _LIVE
    scope = "stream_name = ANY($1::text[])"
    return _sums(connection, messages, scope, f"{{{names}}}", by_thread=True)


def _sums(
    connection: QuickConnection, messages: str, scope: str, value: str, *, by_thread: bool
) -> tuple[UsageSum, ...]:
    statement = _SUMS.format(
        sums=", ".join(f"sum({name})" for name in _COUNTS),
        counts=", ".join(_COUNT.format(name=name) for name in _COUNTS),
        messages=messages,
        scope=scope,
        steps=_STEPS,
    )
    rows = connection.query(statement, (value, "thread" if by_thread else "all"))
    return tuple(map(_sum, rows))


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
