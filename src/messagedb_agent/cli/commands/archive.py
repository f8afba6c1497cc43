"""archive, unarchive: threads out of the way, and back."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

from messagedb_agent.cli.listing import wanted_threads
from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import complain, say, tell
from messagedb_agent.cli.wiring import category_of, configuration, reader, writer
from messagedb_agent.engine.archiving import archive_thread, unarchive_thread, why_not
from messagedb_agent.engine.session import read_state
from messagedb_agent.errors import ThreadBusyError, ThreadNotFoundError, UsageError
from messagedb_agent.store.archive.reading import find_archived
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.store.threads import find_stream

_EVERYTHING = 10**9


def archive(options: argparse.Namespace) -> int:
    """Move threads to the archive and print the id of each; 1 if one had to stay."""
    picks = options.older_than is not None or options.status is not None
    if picks == bool(options.threads):
        raise UsageError("name threads, or say which by --older-than and --status")
    config = configuration(options)
    with reader(config) as connection, Progress("looking through the threads"):
        found = _chosen(options, connection)
    stayed = 0
    with writer(config) as store, Progress("archiving"):
        for stream_name in found:
            try:
                _archive_one(options, store, stream_name)
            except (ThreadBusyError, UsageError) as reason:
                stayed += 1
                complain(str(reason))
            else:
                say(parse_stream_name(stream_name).thread_id)
    if not found:
        tell("no such thread")
    return 1 if stayed and options.threads else 0


def _archive_one(options: argparse.Namespace, store: MessageDBClient, stream_name: str) -> None:
    if not options.dry_run:
        archive_thread(store, stream_name, force=options.force)
    elif not options.force and (reason := why_not(read_state(store, stream_name))):
        thread_id = parse_stream_name(stream_name).thread_id
        raise UsageError(f"thread {thread_id} would not be archived: {reason}")


def _chosen(options: argparse.Namespace, connection: QuickConnection) -> list[str]:
    category = category_of(options)
    if options.threads:
        names = [find_stream(connection, category, thread) for thread in options.threads]
        return list(dict.fromkeys(names))
    now = datetime.now(UTC)
    return [
        thread.stream_name
        for thread in wanted_threads(connection, category, _EVERYTHING, status=options.status)
        if (now - datetime.fromisoformat(thread.last_activity)).total_seconds()
        >= (options.older_than or 0)
    ]


def unarchive(options: argparse.Namespace) -> int:
    """Bring archived threads back, and print the id of each."""
    config = configuration(options)
    category = category_of(options)
    with reader(config) as connection:
        found = [_kept(connection, category, thread) for thread in options.threads]
    with writer(config) as store, Progress("unarchiving"):
        for stream_name in dict.fromkeys(found):
            unarchive_thread(store, stream_name)
            say(parse_stream_name(stream_name).thread_id)
    return 0


def _kept(connection: QuickConnection, category: str, thread: str) -> str:
    """The stream of an archived thread, by its id or a beginning that no other archived one has."""
    found = find_archived(connection, category, thread) if thread else ()
    if not found:
        raise ThreadNotFoundError(
            f"there is no archived thread {thread[:80]}; `./cli list --archived` shows all"
        )
    if len(found) > 1:
        names = ", ".join(name.partition("-")[2] for name in found[:3])
        raise UsageError(f"{thread[:80]} could be several threads: {names} …; give more of the id")
    return found[0]
