"""One append: to its end whatever an earlier attempt left, or within somebody's transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import psycopg

from messagedb_agent.errors import OptimisticConcurrencyError, ThreadArchivedError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.archive.pages import Archive
from messagedb_agent.store.base import NO_STREAM
from messagedb_agent.store.faults import is_duplicate_id, is_worth_repeating, translate
from messagedb_agent.store.operations import Batch, append_events, find_events

Recorded: TypeAlias = tuple[RecordedEvent, ...]


def append_once(connection: psycopg.Connection[Any], batch: Batch, archive: Archive) -> Recorded:
    """
    Write the batch, unless an earlier attempt has.

    Raises psycopg errors as they come, and `ThreadArchivedError` for a stream that is archived.
    """
    try:
        return append_events(connection, batch)[0]
    except psycopg.Error as error:
        return _written_before(connection, batch, archive, error)


def append_after(
    connection: psycopg.Connection[Any],
    work: Callable[[psycopg.Connection[Any]], Batch],
    archive: Archive,
) -> Recorded:
    """The same for the batch that `work` gives, in one transaction with the work."""
    batch = None
    try:
        with connection.transaction():
            batch = work(connection)
            return append_events(connection, batch)[0]
    except psycopg.Error as error:
        if batch is None:
            raise
        return _written_before(connection, batch, archive, error)


def _written_before(
    connection: psycopg.Connection[Any], batch: Batch, archive: Archive, error: psycopg.Error
) -> Recorded:
    """What an earlier attempt has written, if that is what stands in the way."""
    conflict = translate(error)
    if not (isinstance(conflict, OptimisticConcurrencyError) or is_duplicate_id(error)):
        raise error
    if found := find_events(connection, batch.stream_name, batch.events):
        return found
    # A stream that is gone won't come to the version that a writer knows, however it tries.
    is_gone = (
        isinstance(conflict, OptimisticConcurrencyError) and conflict.actual_version == NO_STREAM
    )
    if is_gone and archive.version(connection, batch.stream_name) != NO_STREAM:
        raise ThreadArchivedError(batch.stream_name) from error
    raise error


def append_within(connection: psycopg.Connection[Any], batch: Batch) -> Recorded:
    """Write the batch as part of the transaction that is open there."""
    try:
        return append_events(connection, batch)[0]
    except psycopg.Error as error:
        if is_worth_repeating(error):
            raise
        raise translate(error) from error
