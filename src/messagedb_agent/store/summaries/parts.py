"""
What a thread adds up to, in SQL: each part from what is kept of it and the events since then.

They are joined to `wanted`, which has the `stream_name` of threads and, as `began`, the global
position of their first event. `{kept}` is what `keep_up` gives, and `{messages}` is where the
events are.
"""

from __future__ import annotations

from typing import LiteralString

COLUMNS: LiteralString = """
    stream_name text, began bigint, position bigint, last timestamp, messages bigint,
    model_calls bigint, tool_calls bigint, errors bigint, ended timestamp, life text, turn text,
    pending text[], name text, usage jsonb
"""
"""What is kept of a thread, up to a position."""

STREAMS: LiteralString = """
    SELECT stream_name, (
        SELECT global_position FROM message_store.messages AS opening
        WHERE opening.stream_name = given.stream_name AND position = 0) AS began
    FROM json_array_elements_text($1::json) AS given (stream_name)
"""
"""The `wanted` threads of which `$1` has the stream names."""

SO_FAR: LiteralString = """
    LEFT JOIN {kept} ON kept.stream_name = wanted.stream_name AND kept.began = wanted.began
"""
"""Joins what is kept of the `wanted` threads; the other parts come after it."""

_NEW: LiteralString = """
    stream_name = wanted.stream_name AND position > coalesce(kept.position, -1)
"""

COUNTED = f"""
    CROSS JOIN LATERAL (
        SELECT max(position), max(time),
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
               count(*) FILTER (WHERE type = 'ToolApprovalRequested')
        FROM {{messages}} WHERE {_NEW}
    ) AS added (position, last, messages, model_calls, tool_calls, errors, ended, life, turn, asked)
"""  # noqa: S608 - made of constants
"""Joins what happened in the `wanted` threads since then, as `added`."""

COUNTS: LiteralString = """
    greatest(kept.last, added.last) AS last,
    coalesce(kept.messages, 0) + added.messages AS messages,
    coalesce(kept.model_calls, 0) + added.model_calls AS model_calls,
    coalesce(kept.tool_calls, 0) + added.tool_calls AS tool_calls,
    coalesce(kept.errors, 0) + added.errors AS errors,
    greatest(kept.ended, added.ended) AS ended,
    coalesce(added.life, kept.life) AS life,
    coalesce(added.turn, kept.turn) AS turn
"""
"""What `COUNTED` and what is kept add up to."""

_CALL = "coalesce({event}.metadata ->> 'tool_call_id', {event}.metadata ->> 'tool_id')"
_ANSWERED = f"""
    SELECT FROM {{messages}} AS reply
    WHERE reply.stream_name = wanted.stream_name AND reply.position > asked.position
      AND reply.type IN ('ToolExecutionApproved', 'ToolExecutionRejected',
          'ToolExecutionRequested', 'ToolExecutionCompleted', 'ToolExecutionFailed')
      AND {_CALL.format(event="reply")} = asked.call
"""

PENDING = f"""
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(asked.call), '{{{{}}}}') AS pending FROM (
            SELECT call, kept.position FROM unnest(kept.pending) AS call
            UNION ALL
            SELECT {_CALL.format(event="request")}, request.position
            FROM {{messages}} AS request
            WHERE added.asked > 0 AND request.type = 'ToolApprovalRequested' AND {_NEW}
        ) AS asked
        WHERE NOT EXISTS ({_ANSWERED})
    ) AS asking
"""  # noqa: S608 - made of constants
"""Joins the calls that wait for an approval, as `asking.pending`; after `COUNTED`."""

LONGEST_TITLE = 200
NAMED = f"""
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT left(data ->> 'title', {LONGEST_TITLE}) FROM {{messages}}
            WHERE {_NEW} AND type = 'ThreadRenamed'
            ORDER BY position DESC LIMIT 1), kept.name) AS name
    ) AS named
"""  # noqa: S608 - made of constants
"""Joins the title that somebody gave a thread last, as `named.name`."""

TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
)
"""What is counted of each call."""

_COUNT = """
    CASE jsonb_typeof(data -> 'token_usage' -> '{name}')
        WHEN 'number' THEN (data -> 'token_usage' ->> '{name}')::numeric ELSE 0 END AS {name}
"""
_KEPT_COUNT = "(part ->> {place})::numeric AS {name}"

CALLS = f"""
    SELECT stream_name, day, model, 1 AS calls, {", ".join(TOKENS)},
           -- Prices may depend on how long the prompt is, so calls of different lengths stay apart.
           width_bucket(
               input_tokens, ARRAY[100000, 128000, 200000, 256000, 272000]::numeric[]) AS step
    FROM (
        SELECT stream_name, time::date AS day, coalesce(data ->> 'model_name', '') AS model,
               {", ".join(_COUNT.format(name=name) for name in TOKENS)}
        FROM {{messages}} WHERE {{scope}} AND type = 'LLMResponseReceived'
    ) AS answers
"""  # noqa: S608 - made of constants
"""The calls of models within a `{scope}`, and what they used."""

SUMS = ", ".join(f"sum({name}) AS {name}" for name in ("calls", *TOKENS))
"""What `CALLS` are summed up to."""

_COUNTED_BEFORE = ", ".join(
    _KEPT_COUNT.format(place=place, name=name) for place, name in enumerate(("calls", *TOKENS), 3)
)
USED = f"""
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_agg(
            jsonb_build_array(day, model, step, calls, {", ".join(TOKENS)})
            ORDER BY day, model, step), '[]') AS usage
        FROM (
            SELECT day, model, step, {SUMS}
            FROM (
                SELECT (part ->> 0)::date AS day, part ->> 1 AS model,
                       (part ->> 2)::integer AS step, {_COUNTED_BEFORE}
                FROM jsonb_array_elements(kept.usage) AS part
                UNION ALL
                SELECT day, model, step, calls, {", ".join(TOKENS)}
                FROM ({CALLS.replace("{scope}", _NEW)}) AS calls
            ) AS parts
            GROUP BY day, model, step
        ) AS sums
    ) AS used
"""  # noqa: S608 - made of constants
"""Joins what the calls of a thread used, by day, model and price step, as `used.usage`."""
