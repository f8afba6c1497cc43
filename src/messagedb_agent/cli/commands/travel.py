"""fork, rewind, replay, diff, export, import: other times and other places of a thread."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import msgspec

from messagedb_agent.cli import model
from messagedb_agent.cli.difference import side_by_side, unified
from messagedb_agent.cli.editor import edit_text
from messagedb_agent.cli.page import page
from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import complain, say, tell, visible, write
from messagedb_agent.cli.wiring import (
    category_of,
    changing,
    configuration,
    new_stream,
    reader,
    refuse_known,
    writer,
)
from messagedb_agent.engine import transfer, travel
from messagedb_agent.engine.agent import Agent, reconfigured
from messagedb_agent.engine.contents import with_whole_results
from messagedb_agent.engine.history import read_history
from messagedb_agent.errors import UsageError
from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.base import Event
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.projections.transcript import entry
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream
from messagedb_agent.tools import ToolRegistry, builtin_tools


def fork(options: argparse.Namespace) -> int:
    """Begin a thread that continues another one."""
    thread_id = options.thread_id or generate_thread_id()
    with on_thread(options, options.thread) as (store, named):
        if options.thread_id:
            refuse_known(options, store, thread_id)
        target = new_stream(options, configuration(options), thread_id)
        origin, position, message, content = named, options.at, options.message, None
        if options.edit:
            origin, position, edited = _edited(store, named, position)
            message, content = edited.message, edited.content
        chosen = _with_model(options, store, origin, position) if options.model else None
        position = travel.fork_thread(
            store,
            origin,
            target,
            position,
            message=message,
            content=content,
            configuration=chosen,
        )
    say(thread_id)
    told = f"forked from {parse_stream_name(origin).thread_id} at {position}"
    if not getattr(options, "in_chat", False):
        told += f"; `./cli continue {thread_id}` or `./cli message {thread_id} MSG` goes on there"
    tell(told)
    return 0


def _with_model(
    options: argparse.Namespace, store: EventStore, origin: str, position: int | None
) -> AgentConfigured:
    """What the origin's model was given, for another one."""
    config = configuration(options)
    records = read_history(store, origin, position)
    state = THREAD_STATE.fold(record.event for record in records)
    # A name that means no model is told now, not when the fork is to go on.
    llm = model.model_for(options, config, state)
    current = state.context.configuration
    if current is None:
        prompt = model.prompt_for(options, config, state)
        tools = ToolRegistry(*builtin_tools())
        return Agent(llm=llm, tools=tools, system_prompt=prompt).configuration()
    return reconfigured(current, model_name=llm.model_name)


def rewind(options: argparse.Namespace) -> int:
    """Go back to a position."""
    with changing(options) as (store, stream_name):
        travel.rewind_thread(store, stream_name, options.to, options.reason)
    tell(f"thread {parse_stream_name(stream_name).thread_id} goes on from {options.to}")
    return 0


def replay(options: argparse.Namespace) -> int:
    """Derive every decision again and report the first that differs."""
    with on_thread(options, options.thread) as (store, stream_name), Progress("replaying"):
        records = read_history(store, stream_name, options.at)
        divergences = list(islice(travel.replay(records), 1))
    for divergence in divergences:
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
            second = find_stream(connection, category_of(options), options.other, archived=True)
        differ = print_difference(store, first, second, beside=options.side_by_side)
    if not differ:
        tell("both say the same")
    return 1 if differ else 0


def print_difference(store: EventStore, first: str, second: str, *, beside: bool) -> bool:
    """Print how what two threads say differs, side by side or line by line; whether it does."""
    one, two = _transcript(store, first), _transcript(store, second)
    names = (parse_stream_name(first).thread_id, parse_stream_name(second).thread_id)
    if beside:
        lines = side_by_side(one, two, names, shutil.get_terminal_size().columns)
    else:
        lines = unified(one, two, names)
    text = "\n".join(lines)
    if text:
        say(text)
    return bool(text)


def export(options: argparse.Namespace) -> int:
    """Write a thread to a file, or to stdout."""
    with on_thread(options, options.thread) as (store, stream_name), Progress("exporting"):
        if options.format == "jsonl":
            lines = transfer.export_thread(store, stream_name)
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
    with writer(config) as store, Progress("importing"):
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
def on_thread(
    options: argparse.Namespace, thread: str, *, archived: bool = True
) -> Iterator[tuple[MessageDBClient, str]]:
    """The event store, and the stream of a thread that must exist; `archived` is as for it."""
    config = configuration(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category_of(options), thread, archived=archived)
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


def _edited(
    store: EventStore, origin: str, position: int | None
) -> tuple[str, int, UserMessageAdded]:
    """The stream and position before a user message, and what the person makes of the message."""
    records = [
        record
        for record in read_history(store, origin, position)
        if isinstance(record.event, UserMessageAdded) and record.position > 0
    ]
    if not records:
        raise UsageError("there is no user message to edit; name its position with --at")
    event = records[-1].event
    assert isinstance(event, UserMessageAdded)
    # It may be one that the thread shares with the one it was forked from.
    edited = msgspec.structs.replace(event, message=edit_text(event.message))
    return records[-1].stream_name, records[-1].position - 1, edited
