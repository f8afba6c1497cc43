"""show, list: commands that only read, and are quick about it."""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from messagedb_agent.cli.listing import table, wanted_threads
from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.run_listing import as_listed, run_table
from messagedb_agent.cli.terminal import complain, paint, say, tell, visible, write
from messagedb_agent.cli.transcript_view import STYLES, blocks, place, title_of
from messagedb_agent.cli.wiring import category_of, configuration, reader, writer
from messagedb_agent.engine.costs import add_call, in_words, no_usage, summed
from messagedb_agent.errors import UsageError
from messagedb_agent.events.codec import EventRow, decode, decode_event, encode
from messagedb_agent.events.json_text import from_json
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.projections.transcript import Voice, entry, happened_at
from messagedb_agent.store.threads import (
    ThreadSummary,
    find_stream,
    read_lineage,
    read_rows,
)
from messagedb_agent.store.titles import thread_titles
from messagedb_agent.store.usage import UsageSum, stream_usage

if TYPE_CHECKING:
    from messagedb_agent.engine.contents import Contents

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
    if options.follow:
        return _follow(options)
    category = category_of(options)
    read = read_lineage if options.format == "text" else read_rows
    with reader(configuration(options)) as connection:
        rows = read(connection, find_stream(connection, category, options.thread, archived=True))
    if options.full:
        rows = _with_whole_results(options, rows)
    if options.format == "json":
        say(json.dumps([_as_object(row, full=options.full) for row in rows], indent=2))
        return 0
    if options.format == "jsonl":
        say("\n".join(json.dumps(_as_object(row, full=options.full)) for row in rows))
        return 0
    if not options.events:
        return _print_transcript(rows, full=options.full)
    _say_what_is_missing(rows)
    own = rows[-1].stream_name
    title = f"thread {own.partition('-')[2]} · {len(rows)} events"
    say(paint(f"{title} · {_span(rows)}", "bold"))
    for row in rows:
        if not write(sys.stdout, f"{_text(row, own, full=options.full)}\n"):
            return 0
    _say_usage(rows)
    return 0


def _with_whole_results(options: argparse.Namespace, rows: list[EventRow]) -> list[EventRow]:
    """The rows with the results that are stored elsewhere in place of their beginnings."""
    if not any('"stored"' in (row.data or "") for row in rows):
        return rows
    from messagedb_agent.engine.contents import Contents

    with writer(configuration(options)) as store:
        contents = Contents(store)
        return [_with_whole_result(contents, row) for row in rows]


def _with_whole_result(contents: Contents, row: EventRow) -> EventRow:
    event = decode_event(row.type, row.data or "null", row.metadata)
    if not isinstance(event, ToolExecutionCompleted) or event.stored is None:
        return row
    # What tells where it is stays, for the row is still the one of the stream.
    whole = msgspec.structs.replace(contents.whole(event), stored=event.stored)
    return row._replace(data=encode(whole).data)


def _span(rows: Sequence[EventRow]) -> str:
    """From when to when a thread goes."""
    first, last = (happened_at(row.time, row.metadata) for row in (rows[0], rows[-1]))
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"


def _say_usage(rows: Sequence[EventRow]) -> None:
    """
    What the thread has cost, as `list` tells it, and apart from that what it shares.

    Stand-ins cost nothing and are not worth a line.
    """
    usage, shared = no_usage(), no_usage()
    for row in rows:
        if row.type == "LLMResponseReceived" and row.data:
            answer = from_json(row.data)
            if isinstance(answer, dict):
                sums = usage if row.stream_name == rows[-1].stream_name else shared
                model_name = str(answer.get("model_name") or "")
                add_call(sums, model_name, answer.get("token_usage"), row.time.date())
    if usage["cost_usd"] != 0 or shared["cost_usd"] != 0:
        say(paint(in_words(usage), "dim"))
    if shared["cost_usd"] != 0:
        say(paint(f"before the fork, in its origin: {in_words(shared)}", "dim"))


def _follow(options: argparse.Namespace) -> int:
    from messagedb_agent.cli.following import watch_thread

    with reader(configuration(options)) as connection:
        stream_name = find_stream(connection, category_of(options), options.thread)

    def shown(row: EventRow) -> str:
        return _text(row, stream_name, full=options.full)

    with writer(configuration(options)) as store:
        try:
            watch_thread(store, stream_name, shown, options.format)
        except KeyboardInterrupt:
            say("")
    return 0


def _say_what_is_missing(rows: Sequence[EventRow]) -> None:
    if rows[0].type == "ThreadForked":
        origin = from_json(rows[0].data or "{}").get("origin_stream_name")
        complain(
            f"{origin}, from which this thread was forked, is missing; `./cli import` of its "
            "export brings it back"
        )


def _print_transcript(rows: Sequence[EventRow], *, full: bool) -> int:
    _say_what_is_missing(rows)
    records = [decode(row) for row in rows]
    say(paint(f"{title_of(records) or 'thread'} · {_span(rows)}", "bold"))
    thread_id = visible(rows[-1].stream_name.partition("-")[2])
    say(paint(f"thread {thread_id} · {len(rows)} events (--events)", "dim"))
    for block in blocks(records, full=full):
        if not write(sys.stdout, f"{block}\n"):
            return 0
    _say_usage(rows)
    return 0


def list_threads(options: argparse.Namespace) -> int:
    """Print the newest threads, or runs."""
    if options.runs:
        return _list_runs(options)
    category = category_of(options)
    progress = Progress("looking through the threads")
    with reader(configuration(options)) as connection, progress:
        archived = options.archived
        threads = wanted_threads(
            connection,
            category,
            options.limit,
            status=options.status,
            text=options.search,
            since=options.since,
            archived=archived,
            on_many=lambda: progress.begin("entering what has come since the last search"),
        )
        names = [thread.stream_name for thread in threads]
        titles = thread_titles(connection, names, archived=archived) if names else {}
        usage = _by_stream(stream_usage(connection, names, archived=archived) if names else ())
    if options.format == "json" or options.json:
        say(json.dumps([_as_listed(thread, titles, usage) for thread in threads], indent=2))
        return 0
    if threads:
        costs = {name: summed(sums)["cost_usd"] for name, sums in usage.items()}
        say("\n".join(table(threads, titles, costs)))
    elif options.status or options.search or options.since:
        tell("no such thread")
    elif archived:
        tell("no archived threads; `./cli archive` moves threads out of the way")
    else:
        say('no threads yet; `./cli start "What is 6 * 7?"` begins one')
    return 0


def _list_runs(options: argparse.Namespace) -> int:
    if options.status or options.search or options.since or options.archived:
        raise UsageError(
            "--status, --search, --since and --archived are about threads; leave them out with "
            "--runs"
        )
    from messagedb_agent.store.runs import newest_runs

    with reader(configuration(options)) as connection, Progress("looking through the runs"):
        runs = newest_runs(connection, category_of(options), options.limit)
    if options.format == "json" or options.json:
        say(json.dumps([as_listed(run) for run in runs], indent=2))
    elif runs:
        say("\n".join(run_table(runs)))
    else:
        say('no runs yet; `./cli start "What is 6 * 7?"` begins one')
    return 0


def _by_stream(sums: Iterable[UsageSum]) -> dict[str, list[UsageSum]]:
    found: dict[str, list[UsageSum]] = defaultdict(list)
    for row in sums:
        found[str(row.stream_name)].append(row)
    return found


def _as_listed(
    thread: ThreadSummary, titles: Mapping[str, str], usage: Mapping[str, Sequence[UsageSum]]
) -> dict[str, Any]:
    own = summed(usage.get(thread.stream_name, ()))
    return {**thread._asdict(), "title": titles.get(thread.stream_name), "usage": own}


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


def _text(row: EventRow, own: str, *, full: bool) -> str:
    told = entry(decode_event(row.type, row.data or "null", row.metadata))
    head = paint(f"{place(row, own)} {happened_at(row.time, row.metadata):%H:%M:%S}", "dim")
    styles = STYLES[told.voice]
    first, *rest = visible(told.text).split("\n")
    lines = [f"{head} {paint(f'{_SIGNS[told.voice]} {first}', *styles)}"]
    lines += [f"    {line}".rstrip() for line in rest]
    if full:
        lines += [paint(f"    {row.type} {visible(row.data or '')}", "dim")]
        lines += [paint(f"    metadata {visible(row.metadata or '{}')}", "dim")]
    return "\n".join(lines)
