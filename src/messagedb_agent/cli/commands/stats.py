"""stats: tokens, costs, latencies and failures, from the analytics views."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import paint, say, tell
from messagedb_agent.cli.text import one_line, pad, shorten, terminal_width, width_of
from messagedb_agent.cli.wiring import category_of, configuration, database, install_schema, reader
from messagedb_agent.config import Config
from messagedb_agent.engine.costs import cost_in_words, summed
from messagedb_agent.errors import SchemaMissingError
from messagedb_agent.store.quick import QuickConnection, Row
from messagedb_agent.store.shards import CATEGORIES
from messagedb_agent.store.usage import UsageSum, category_usage

_BAR = 24
_NARROWEST_BAR = 5

_RECENT = f"category = ANY ({CATEGORIES}) AND day > (now() AT TIME ZONE 'utc')::date - $2::int"
_LATENCY = "percentile_disc(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY duration_ms)"

# The steps are read once for each of their kinds, as most questions are about one of them.
_BY_KEY = f"""
    WITH called AS (
        SELECT {{step_key}} AS key,
               count(*) FILTER (WHERE outcome = 'completed') AS calls,
               count(*) FILTER (WHERE outcome = 'failed') AS failures,
               {_LATENCY} FILTER (WHERE outcome = 'completed') AS latency
        FROM messagedb_agent.steps
        WHERE {_RECENT} AND kind = 'model' GROUP BY 1
    ), used AS (
        SELECT {{usage_key}} AS key, sum(input_tokens) AS read, sum(output_tokens) AS written,
               sum(total_tokens) AS total
        FROM messagedb_agent.usage
        WHERE {_RECENT} GROUP BY 1
    ), tools AS (
        SELECT {{tool_key}} AS key, count(started_at) AS runs,
               count(*) FILTER (WHERE outcome = 'failed') AS failures
        FROM messagedb_agent.tool_calls
        WHERE {_RECENT} GROUP BY 1
    )
    SELECT key, coalesce(calls, 0), coalesce(called.failures, 0), coalesce(read, 0),
           coalesce(written, 0), coalesce(total, 0), latency[1], latency[2],
           coalesce(runs, 0), coalesce(tools.failures, 0)
    FROM called FULL JOIN used USING (key) FULL JOIN tools USING (key)
    ORDER BY key
"""  # noqa: S608 - made of constants

_BY_TOOL = f"""
    SELECT key, runs, failures, latency[1], latency[2], total
    FROM (
        SELECT tool_name AS key, count(started_at) AS runs,
               count(*) FILTER (WHERE outcome = 'failed') AS failures,
               {_LATENCY} FILTER (WHERE outcome IS NOT NULL) AS latency,
               coalesce(sum(duration_ms), 0) AS total
        FROM messagedb_agent.tool_calls
        WHERE {_RECENT} GROUP BY 1
    ) AS tool
    ORDER BY runs DESC, key
"""  # noqa: S608 - made of constants

_CALL_COLUMNS = (
    "model_calls",
    "model_failures",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "p50_ms",
    "p95_ms",
    "tool_calls",
    "tool_failures",
)
_COST_PLACE = _CALL_COLUMNS.index("p50_ms")
_TOOL_COLUMNS = ("tool_calls", "tool_failures", "p50_ms", "p95_ms", "total_ms")
_HEADINGS = {
    "model_calls": "CALLS",
    "model_failures": "FAILED",
    "input_tokens": "IN",
    "output_tokens": "OUT",
    "total_tokens": "TOKENS",
    "cost_usd": "COST",
    "p50_ms": "P50",
    "p95_ms": "P95",
    "tool_calls": "TOOLS",
    "tool_failures": "FAILED",
    "total_ms": "TOTAL",
}

Record = dict[str, str | int | float | None]


def run(options: argparse.Namespace) -> int:
    """Print the figures."""
    config, category = configuration(options), category_of(options)
    with reader(config) as connection, Progress("adding up"):
        _need_views(connection, config)
        rows = connection.query(_query(options.by), (category, str(options.days)))
        used = category_usage(connection, category) if options.by != "tool" else ()
    columns: tuple[str, ...] = _TOOL_COLUMNS if options.by == "tool" else _CALL_COLUMNS
    records = [_record(row, options.by, columns) for row in rows]
    if options.by != "tool":
        _add_costs(records, options.by, used, options.days)
        columns = (*columns[:_COST_PLACE], "cost_usd", *columns[_COST_PLACE:])
    if options.format == "json":
        say(json.dumps(records, indent=2))
    elif not records:
        tell(f"nothing happened in the last {options.days} days")
    else:
        say("\n".join(_table(records, options.by, columns)))
    return 0


def _add_costs(records: list[Record], by: str, used: Sequence[UsageSum], days: int) -> None:
    """What the model calls of each row cost; None where a price is not known."""
    first = datetime.now(UTC).date() - timedelta(days=days - 1)
    groups: dict[str, list[UsageSum]] = defaultdict(list)
    for row in used:
        if row.day >= first:
            groups[row.day.isoformat() if by == "day" else row.model_name].append(row)
    for record in records:
        record["cost_usd"] = summed(groups[str(record[by])])["cost_usd"]


def _need_views(connection: QuickConnection, config: Config) -> None:
    if connection.query("SELECT to_regclass('messagedb_agent.threads')")[0][0] is not None:
        return
    if config.database is not None:
        raise SchemaMissingError(
            "the analytics views are not in this database; `./cli db install --views` creates them"
        )
    with database(config) as conninfo:
        install_schema(conninfo, views=True)


def _query(by: str) -> str:
    if by == "tool":
        return _BY_TOOL
    keys = {"day": ("day::text",) * 3, "model": ("name", "model_name", "coalesce(model_name, '')")}
    step, usage, tool = keys[by]
    return _BY_KEY.format(step_key=step, usage_key=usage, tool_key=tool)


def _record(row: Row, by: str, columns: Sequence[str]) -> Record:
    key, *values = row
    return {by: key or "", **dict(zip(columns, map(_number, columns, values), strict=True))}


def _number(column: str, value: str | None) -> int | float | None:
    if value is None:
        return None
    return round(float(value), 3) if column.endswith("_ms") else int(value)


def _table(records: Sequence[Record], by: str, columns: Sequence[str]) -> list[str]:
    cells = [[_shown(column, record[column]) for column in columns] for record in records]
    heads = [_HEADINGS[column] for column in columns]
    widths = [
        max(len(head), *(len(line[place]) for line in cells)) for place, head in enumerate(heads)
    ]
    keys = [shorten(one_line(str(record[by])) or "-", 30) for record in records]
    key_width = max(len(by), *map(width_of, keys))

    def row(key: str, line: Sequence[str]) -> str:
        fitted = (f"{cell:>{size}}" for cell, size in zip(line, widths, strict=True))
        return "  ".join([pad(key, key_width), *fitted])

    plotted = "tool_calls" if by == "tool" else "total_tokens"
    room = min(_BAR, terminal_width() - len(row("", heads)) - 2)
    bars = _bars([float(record[plotted] or 0) for record in records], room)
    lines = [paint(row(by.upper(), heads), "bold")]
    for key, line, bar in zip(keys, cells, bars, strict=True):
        lines.append(f"{row(key, line)}  {paint(bar, 'cyan')}".rstrip())
    return lines


def _bars(values: Sequence[float], room: int) -> list[str]:
    most = max(values)
    if most <= 0 or room < _NARROWEST_BAR:
        return [""] * len(values)
    eighths = [round(value / most * room * 8) for value in values]
    return ["█" * (size // 8) + " ▏▎▍▌▋▊▉"[size % 8].strip() for size in eighths]


def _shown(column: str, value: str | float | None) -> str:
    if column == "cost_usd":
        return cost_in_words(value) if isinstance(value, int | float) else "?"
    if not isinstance(value, int | float):
        return "-"
    if not column.endswith("_ms"):
        return f"{value:,}"
    if value < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:,.1f} s"
