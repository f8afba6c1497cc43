"""show, list: commands that only read, and are quick about it."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from messagedb_agent.cli.terminal import paint, say, visible, write
from messagedb_agent.cli.wiring import category_of, configuration, reader
from messagedb_agent.events.codec import EventRow, decode_event
from messagedb_agent.events.json_text import from_json
from messagedb_agent.projections.transcript import Voice, entry
from messagedb_agent.store.threads import (
    ThreadSummary,
    find_stream,
    newest_threads,
    read_lineage,
    read_rows,
)

_STYLES: dict[Voice, tuple[str, ...]] = {
    "user": ("bold", "green"),
    "assistant": ("bold", "blue"),
    "tool_call": ("cyan",),
    "tool_result": ("cyan",),
    "approval": ("yellow",),
    "error": ("red",),
    "system": ("dim",),
}
_SIGNS: dict[Voice, str] = {
    "user": "user >",
    "assistant": "assistant >",
    "tool_call": "tool →",
    "tool_result": "tool ←",
    "approval": "approval ?",
    "error": "error !",
    "system": "·",
}


def show(options: argparse.Namespace) -> int:
    """Print the events of a thread."""
    category = category_of(options)
    read = read_rows if options.format == "json" else read_lineage
    with reader(configuration(options)) as connection:
        rows = read(connection, find_stream(connection, category, options.thread))
    if options.format == "json":
        say(json.dumps([_as_object(row, full=options.full) for row in rows], indent=2))
        return 0
    first, last = rows[0], rows[-1]
    title = f"thread {last.stream_name.partition('-')[2]} · {len(rows)} events"
    say(paint(f"{title} · {first.time:%Y-%m-%d %H:%M} to {last.time:%Y-%m-%d %H:%M} UTC", "bold"))
    for row in rows:
        if not write(sys.stdout, f"{_text(row, full=options.full)}\n"):
            break
    return 0


def list_threads(options: argparse.Namespace) -> int:
    """Print the newest threads."""
    category = category_of(options)
    with reader(configuration(options)) as connection:
        threads = newest_threads(connection, category, options.limit)
    if options.format == "json":
        say(json.dumps([thread._asdict() for thread in threads], indent=2))
        return 0
    if not threads:
        say('no threads yet; `./cli start "What is 6 * 7?"` begins one')
        return 0
    say(paint(f"{'THREAD':36}  {'STATUS':11}  MSG  LLM TOOL ERR  LAST ACTIVITY", "bold"))
    for thread in threads:
        say(_row(thread))
    return 0


def _as_object(row: EventRow, *, full: bool) -> dict[str, Any]:
    shown = {
        "id": row.id,
        "type": row.type,
        "position": row.position,
        "global_position": row.global_position,
        "time": f"{row.time.isoformat()}Z",
        "data": from_json(row.data) if row.data else None,
    }
    if full:
        shown["metadata"] = from_json(row.metadata) if row.metadata else None
    return shown


def _text(row: EventRow, *, full: bool) -> str:
    told = entry(decode_event(row.type, row.data or "null", row.metadata))
    head = paint(f"[{row.position}] {row.time:%H:%M:%S}", "dim")
    styles = _STYLES[told.voice]
    first, *rest = visible(told.text).split("\n")
    lines = [f"{head} {paint(f'{_SIGNS[told.voice]} {first}', *styles)}"]
    lines += [f"    {line}".rstrip() for line in rest]
    if full:
        lines += [paint(f"    {row.type} {visible(row.data or '')}", "dim")]
        lines += [paint(f"    metadata {visible(row.metadata or '{}')}", "dim")]
    return "\n".join(lines)


def _row(thread: ThreadSummary) -> str:
    colour = {"completed": "green", "failed": "red", "waiting": "yellow"}.get(thread.status)
    status = f"{thread.status:11}"
    return (
        f"{visible(thread.thread_id):36}  {paint(status, colour) if colour else status}  "
        f"{thread.message_count:3}  {thread.llm_call_count:3} {thread.tool_call_count:4} "
        f"{thread.error_count:3}  {_ago(thread.last_activity)}"
    )


def _ago(timestamp: str) -> str:
    then = datetime.fromisoformat(timestamp)
    seconds = max(0, int((datetime.now(UTC) - then).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
