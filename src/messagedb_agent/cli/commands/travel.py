"""fork, rewind, replay, diff, export, import: other times and other places of a thread."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from messagedb_agent.cli.editor import edit_text
from messagedb_agent.cli.page import page
from messagedb_agent.cli.terminal import complain, paint, say, tell, visible, write
from messagedb_agent.cli.wiring import (
    category_of,
    configuration,
    new_stream,
    reader,
    refuse_known,
    writer,
)
from messagedb_agent.engine import transfer, travel
from messagedb_agent.engine.contents import with_whole_results
from messagedb_agent.engine.history import read_history
from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import Event
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.projections.transcript import entry
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream


def fork(options: argparse.Namespace) -> int:
    """Begin a thread that continues another one."""
    thread_id = options.thread_id or generate_thread_id()
    with on_thread(options, options.thread) as (store, origin):
        if options.thread_id:
            refuse_known(options, store, thread_id)
        target = new_stream(options, configuration(options), thread_id)
        position, message = options.at, options.message
        if options.edit:
            position, message = _edited(store, origin, position)
        position = travel.fork_thread(store, origin, target, position, message=message)
    say(thread_id)
    origin_id = parse_stream_name(origin).thread_id
    tell(
        f"forked from {origin_id} at {position}; "
        f"`./cli continue {thread_id}` or `./cli message {thread_id} …`"
    )
    return 0


def rewind(options: argparse.Namespace) -> int:
    """Go back to a position."""
    with on_thread(options, options.thread) as (store, stream_name):
        travel.rewind_thread(store, stream_name, options.to, options.reason)
    tell(f"thread {parse_stream_name(stream_name).thread_id} goes on from {options.to}")
    return 0


def replay(options: argparse.Namespace) -> int:
    """Derive every decision again and report the first that differs."""
    with on_thread(options, options.thread) as (store, stream_name):
        records = read_history(store, stream_name, options.at)
    for divergence in travel.replay(records):
        complain(
            f"position {divergence.position}: recorded {divergence.recorded}, "
            f"but {divergence.derived}"
        )
        return 1
    tell(f"{len(records)} events replayed, no divergence")
    return 0


def diff(options: argparse.Namespace) -> int:
    """Print how two threads differ; 1 when they do."""
    with on_thread(options, options.thread) as (store, first):
        with reader(configuration(options)) as connection:
            second = find_stream(connection, category_of(options), options.other)
        return 1 if print_difference(store, first, second) else 0


def print_difference(store: EventStore, first: str, second: str) -> bool:
    """Print how what two threads say differs; whether it does."""
    one, two = _transcript(store, first), _transcript(store, second)
    before, after = (parse_stream_name(name).thread_id for name in (first, second))
    lines = list(difflib.unified_diff(one, two, before, after, lineterm=""))
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
        say(paint(line, colour) if colour else line)
    return bool(lines)


def export(options: argparse.Namespace) -> int:
    """Write a thread to a file, or to stdout."""
    with on_thread(options, options.thread) as (store, stream_name):
        if options.format == "jsonl":
            lines = list(transfer.export_thread(store, stream_name))
            text, what = "".join(f"{line}\n" for line in lines), f"{len(lines) - 1} events"
        else:
            records = with_whole_results(store, read_history(store, stream_name))
            text, what = page(records, options.format), "the page was"
    if options.output in (None, "-"):
        write(sys.stdout, text)
        return 0
    try:
        Path(options.output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"can not write {options.output}: {error.strerror}") from error
    tell(f"{what} written to {options.output}")
    return 0


def import_(options: argparse.Namespace) -> int:
    """Read a thread from a file, or from stdin."""
    config, rename = configuration(options), None
    if options.thread_id:
        rename = new_stream(options, config, options.thread_id)
    lines = _read_lines(options.file)
    with writer(config) as store:
        if options.thread_id:
            refuse_known(options, store, options.thread_id)
        stream_name = transfer.import_thread(store, lines, rename)
    say(parse_stream_name(stream_name).thread_id)
    return 0


def _read_lines(file: str) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return data.decode("utf-8").split("\n")[:-1]
    except OSError as error:
        raise UsageError(f"can not read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError("this is no exported thread: it is not UTF-8 text") from error


@contextmanager
def on_thread(options: argparse.Namespace, thread: str) -> Iterator[tuple[MessageDBClient, str]]:
    """The event store, and the stream of a thread that must exist."""
    config = configuration(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category_of(options), thread)
    with writer(config) as store:
        yield store, stream_name


def _transcript(store: EventStore, stream_name: str) -> list[str]:
    lines: list[str] = []
    for record in read_history(store, stream_name):
        told = entry(_timeless(record.event))
        if told.voice != "system":
            lines += [f"{told.voice}: {line}" for line in visible(told.text).split("\n")]
    return lines


def _timeless(event: Event) -> Event:
    """The event without how long it took, which differs from run to run."""
    if isinstance(event, ToolExecutionCompleted):
        return msgspec.structs.replace(event, execution_time_ms=0)
    return event


def _edited(store: EventStore, origin: str, position: int | None) -> tuple[int, str]:
    """The position before a user message, and what the person makes of the message."""
    records = [
        record
        for record in read_history(store, origin, position)
        if isinstance(record.event, UserMessageAdded) and record.stream_name == origin
    ]
    if not records or records[-1].position == 0:
        raise UsageError("there is no user message to edit; name its position with --at")
    event = records[-1].event
    assert isinstance(event, UserMessageAdded)
    return records[-1].position - 1, edit_text(event.message)
