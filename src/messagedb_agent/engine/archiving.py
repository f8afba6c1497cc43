"""Archiving threads: nobody may be working on one, or waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg

from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.errors import (
    StoreUnavailableError,
    ThreadBusyError,
    ThreadNotFoundError,
    UsageError,
)
from messagedb_agent.projections.interruption import interruption
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.archive.consumers import consumers_behind
from messagedb_agent.store.archive.installer import install_archive
from messagedb_agent.store.archive.moving import archive_stream, unarchive_stream
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.locks import lock_key
from messagedb_agent.store.stream import parse_stream_name


def archive_thread(store: MessageDBClient, stream_name: str, *, force: bool = False) -> int:
    """
    Move a thread's events to the archive, in one transaction; returns how many.

    Raises `ThreadBusyError` while a process drives the thread, and `UsageError` while it has
    something to do, somebody has to decide, or a consumer has not seen all of it, unless `force`
    says that this does not matter.
    """
    recorder = Recorder(store, stream_name)
    if not force:
        # Else not even looked at: a fork whose origin is lost can be put away, too.
        recorder.open()

    def move(connection: psycopg.Connection[Any]) -> int:
        install_archive(connection)
        with connection.transaction():
            _lock(connection, stream_name)
            if not force:
                recorder.catch_up(connection)
                _check(connection, stream_name, recorder.state)
            return archive_stream(connection, stream_name)

    _as_owner(store, move)
    # Not what was moved, which is nothing where an earlier try had done it.
    return store.version(stream_name) + 1 or _not_found(stream_name)


def unarchive_thread(store: MessageDBClient, stream_name: str) -> int:
    """
    Move a thread's events back to where they were; returns how many.

    Raises `ThreadNotFoundError` when the archive does not have it.
    """

    def move(connection: psycopg.Connection[Any]) -> int:
        install_archive(connection)
        with connection.transaction():
            _lock(connection, stream_name)
            return unarchive_stream(connection, stream_name)

    return _as_owner(store, move) or _not_found(stream_name)


def why_not(state: ThreadState) -> str | None:
    """Why a thread should not be archived now, in a few words; None if it may be. Pure."""
    if state.session.is_ended:
        return None
    if state.calls.pending:
        return "it waits for approval"
    if state.schedule:
        return "a message is scheduled"
    if not state.turn.halted and interruption(state):
        return "its turn is not over"
    return None


def _check(connection: psycopg.Connection[Any], stream_name: str, state: ThreadState) -> None:
    reason = why_not(state)
    if reason is None and (behind := consumers_behind(connection, stream_name)):
        reason = f"consumers have not seen all of it: {', '.join(behind)}"
    if reason is not None:
        thread_id = parse_stream_name(stream_name).thread_id
        raise UsageError(f"thread {thread_id} is not archived: {reason}; `--force` archives it")


def _lock(connection: psycopg.Connection[Any], stream_name: str) -> None:
    """Keep everybody else from writing to the category, and from driving the thread."""
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute("SELECT message_store.acquire_lock($1)", (stream_name,))
        row = cursor.execute(
            "SELECT pg_try_advisory_xact_lock($1)", (lock_key(stream_name),)
        ).fetchone()
    if row != (True,):
        raise ThreadBusyError(f"{stream_name} is being driven by another process")


def _as_owner(store: MessageDBClient, move: Callable[[psycopg.Connection[Any]], int]) -> int:
    def checked(connection: psycopg.Connection[Any]) -> int:
        try:
            return move(connection)
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreUnavailableError(
                f"user {connection.info.user} may not archive: {error.diag.message_primary}; "
                "it takes the owner of message_store.messages"
            ) from error

    return store.query(checked)


def _not_found(stream_name: str) -> int:
    raise ThreadNotFoundError(f"the thread of {stream_name} is not there")
