"""The table of threads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from messagedb_agent.cli.terminal import paint
from messagedb_agent.cli.text import one_line, pad, shorten, terminal_width
from messagedb_agent.engine.costs import cost_in_words
from messagedb_agent.store.archive.reading import has_archive
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search import search_threads
from messagedb_agent.store.threads import ThreadSummary, newest_threads

# No thread has the status without one of these events, and to find them is quicker.
_TELLING = {
    "waiting": ("ToolApprovalRequested",),
    "interrupted": ("TurnInterrupted",),
    "limit": ("LimitReached",),
    "completed": ("SessionCompleted",),
    "failed": ("SessionCompleted", "LLMCallFailed"),
}
_COLOURS = {"completed": "green", "failed": "red", "waiting": "yellow", "limit": "yellow"}
_TITLE_WIDTH = 40
_SHORT_ID = 8
_WIDE = 127
"""From so many columns on, whole ids and titles fit beside each other."""


def wanted_threads(
    connection: QuickConnection,
    category: str,
    limit: int,
    *,
    status: str | None = None,
    text: str | None = None,
    archived: bool = False,
) -> tuple[ThreadSummary, ...]:
    """The newest threads with this status and this text in them; archived ones, or the others."""
    if archived and not has_archive(connection):
        return ()
    types = _TELLING.get(status or "", ())
    looked_at = limit
    while True:
        names = None
        if types or text is not None:
            names = search_threads(
                connection, category, looked_at, text=text, types=types, archived=archived
            )
        threads = newest_threads(connection, category, looked_at, names, archived=archived)
        found = tuple(each for each in threads if status in (None, each.status))
        if len(found) >= limit or len(threads) < looked_at:
            return found[:limit]
        # The status is what a stream adds up to, so it is only known after looking.
        looked_at *= 8


def table(
    threads: Sequence[ThreadSummary], titles: Mapping[str, str], costs: Mapping[str, float | None]
) -> list[str]:
    """The lines of the table, as wide as the terminal; `costs` in dollars by stream name."""
    width = terminal_width()
    ids = _ids(threads, width)
    room = max(map(len, ids))
    head = f"{pad('THREAD', room)}  STATUS       AGE        MSG  LLM TOOL  ERR ASKS     COST  "
    title_width = max(10, min(_TITLE_WIDTH, width - len(head)))
    lines = [paint(f"{head}TITLE", "bold")]
    for thread, thread_id in zip(threads, ids, strict=True):
        status = f"{thread.status:11}"
        colour = _COLOURS.get(thread.status)
        title = one_line(titles.get(thread.stream_name, ""))
        lines.append(
            f"{pad(thread_id, room)}  {paint(status, colour) if colour else status}  "
            f"{ago(thread.last_activity):9}  {thread.message_count:3} {thread.llm_call_count:4} "
            f"{thread.tool_call_count:4} {thread.error_count:4} "
            f"{thread.pending_approvals or '':4} {_cost(costs.get(thread.stream_name, 0.0)):>8}  "
            f"{shorten(title, title_width)}".rstrip()
        )
    return lines


def _cost(dollars: float | None) -> str:
    """In the table nothing stands for nothing, and a question mark for a price nobody knows."""
    return "?" if dollars is None else cost_in_words(dollars) if dollars else ""


def _ids(threads: Sequence[ThreadSummary], width: int) -> list[str]:
    whole = [one_line(thread.thread_id) for thread in threads]
    short = [name[:_SHORT_ID] for name in whole]
    fits = width >= _WIDE or max(map(len, whole)) <= _SHORT_ID
    return whole if fits or len(set(short)) < len(short) else short


def ago(timestamp: str) -> str:
    """How long ago that was, in the largest unit."""
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"
