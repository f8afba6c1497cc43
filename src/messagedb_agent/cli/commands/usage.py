"""usage: tokens and cost over all threads."""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from messagedb_agent.cli.listing import shown_ids
from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import paint, say, visible
from messagedb_agent.cli.text import terminal_width
from messagedb_agent.cli.wiring import category_of, configuration, reader
from messagedb_agent.engine.costs import cost_in_words, summed
from messagedb_agent.store.usage import UsageSum, category_usage

_NAMES = {"model": "model_name", "day": "day", "thread": "thread_id"}


def usage(options: argparse.Namespace) -> int:
    """Print what all threads of a category used, by model, day or thread."""
    category = category_of(options)
    with reader(configuration(options)) as connection, Progress("adding up"):
        sums = category_usage(connection, category, by_thread=options.by == "thread")
    if options.days:
        first = datetime.now(UTC).date() - timedelta(days=options.days - 1)
        sums = tuple(row for row in sums if row.day >= first)
    groups: dict[str, list[UsageSum]] = defaultdict(list)
    for row in sums:
        groups[_key(row, options.by)].append(row)
    name = _NAMES[options.by]
    rows = [{name: key, **_object(group)} for key, group in groups.items()]
    if options.by != "day":
        rows.sort(key=_by_cost)
    if options.format == "json":
        say(json.dumps({"by": options.by, "rows": rows, "total": _object(sums)}, indent=2))
    elif rows:
        _print(name, rows, _object(sums))
    else:
        say("no model has answered in this time" if options.days else "no model has answered yet")
    return 0


def _object(rows: list[UsageSum] | tuple[UsageSum, ...]) -> dict[str, Any]:
    return {"calls": sum(row.calls for row in rows), **summed(rows)}


def _by_cost(row: dict[str, Any]) -> tuple[float, int]:
    """What cost most comes first; what nobody knows the price of goes by its tokens."""
    return -(row["cost_usd"] or 0.0), -row["total_tokens"]


def _key(row: UsageSum, by: str) -> str:
    if by == "thread":
        return str(row.stream_name).partition("-")[2]
    return row.day.isoformat() if by == "day" else row.model_name


def _print(name: str, rows: list[dict[str, Any]], total: dict[str, Any]) -> None:
    if name == "thread_id":
        ids = shown_ids([row[name] for row in rows], terminal_width())
        rows = [{**row, name: shown} for row, shown in zip(rows, ids, strict=True)]
    width = max(len(name), 5, *(len(str(row[name])) for row in rows))
    columns = f"{'CALLS':>7} {'INPUT':>13} {'CACHED':>13} {'OUTPUT':>13} {'COST':>13}"
    say(paint(f"{name.upper():{width}} {columns}", "bold"))
    for row in rows:
        say(_line(visible(str(row[name])), row, width))
    say(paint(_line("total", total, width), "bold"))


def _line(name: str, row: dict[str, Any], width: int) -> str:
    return (
        f"{name:{width}} {row['calls']:7,} {row['input_tokens']:13,} "
        f"{row['cache_read_tokens']:13,} {row['output_tokens']:13,} "
        f"{cost_in_words(row['cost_usd']):>13}"
    )
