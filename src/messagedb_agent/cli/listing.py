"""The table of threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from messagedb_agent.cli.terminal import paint
from messagedb_agent.cli.text import one_line, pad, shorten, terminal_width
from messagedb_agent.engine.costs import cost_in_words
from messagedb_agent.store.archive.reading import has_archive
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search import nobody, search_threads
from messagedb_agent.store.threads import ThreadSummary, newest_threads

# No thread has the status without one of these events, and to find them is quicker.
TELLING = {
    "waiting": ("ToolApprovalRequested",),
    "interrupted": ("TurnInterrupted",),
    "limit": ("LimitReached",),
    "completed": ("SessionCompleted",),
    "failed": ("SessionCompleted", "LLMCallFailed"),
}
"""The events by which threads of a status are found."""

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
    since: datetime | None = None,
    archived: bool = False,
    on_many: Callable[[], object] = nobody,
) -> tuple[ThreadSummary, ...]:
    """
    The newest threads with this status and this text in them.

    Only those in which something happened `since` then; archived ones, or the others. `on_many`
    is as in `search_threads`.
    """
    if archived and not has_archive(connection):
        return ()
    types = TELLING.get(status or "", ())
    search = partial(search_threads, connection, category, archived=archived, on_many=on_many)
    looked_at = limit
    while True:
        names = None
        if types or text is not None or since is not None:
            names = search(looked_at, text=text, types=types, since=since)
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
    ids = shown_ids([thread.thread_id for thread in threads], width)
    room = max(len("THREAD"), *map(len, ids))
    numbers = _numbers(threads, costs, width)
    columns = "".join(f" {name:>{size}}" for name, size, _ in numbers)
    head = f"{pad('THREAD', room)}  STATUS       {'AGE':10}{columns}  "
    title_width = max(10, min(_TITLE_WIDTH, width - len(head)))
    lines = [paint(f"{head}TITLE", "bold")]
    for place, (thread, thread_id) in enumerate(zip(threads, ids, strict=True)):
        status = f"{thread.status:11}"
        colour = _COLOURS.get(thread.status)
        title = one_line(titles.get(thread.stream_name, ""))
        counted = "".join(f" {values[place]:>{size}}" for _, size, values in numbers)
        lines.append(
            f"{pad(thread_id, room)}  {paint(status, colour) if colour else status}  "
            f"{ago(thread.last_activity):10}{counted}  {shorten(title, title_width)}".rstrip()
        )
    return lines


def _numbers(
    threads: Sequence[ThreadSummary], costs: Mapping[str, float | None], width: int
) -> list[tuple[str, int, list[str]]]:
    """The columns that count something: name, width and values."""
    columns = [
        ("MSG", 4, [str(thread.message_count) for thread in threads]),
        ("LLM", 4, [str(thread.llm_call_count) for thread in threads]),
        ("TOOL", 4, [str(thread.tool_call_count) for thread in threads]),
        ("ERR", 4, [str(thread.error_count) for thread in threads]),
        ("ASKS", 4, [str(thread.pending_approvals or "") for thread in threads]),
        ("COST", 8, [_cost(costs.get(thread.stream_name, 0.0)) for thread in threads]),
    ]
    if width >= _WIDE:
        return columns
    # What a thread is about tells more than how much there is of it.
    return [
        column
        for column in columns
        if column[0] not in ("LLM", "TOOL") and any(value not in ("", "0") for value in column[2])
    ]


def _cost(dollars: float | None) -> str:
    """In the table nothing stands for nothing, and a question mark for a price nobody knows."""
    return "?" if dollars is None else cost_in_words(dollars) if dollars else ""


def shown_ids(thread_ids: Sequence[str], width: int) -> list[str]:
    """The ids of threads as they fit: whole ones, or beginnings that tell them apart."""
    whole = [one_line(name) for name in thread_ids]
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
