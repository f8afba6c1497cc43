"""Puts our implementation of the Message DB interface into a database, at most once."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from messagedb_agent.errors import SchemaMissingError, StoreUnavailableError, UsageError
from messagedb_agent.store.schema.inspection import MARK, Findings, installed_version, look

REVISION = 1
"""Raise it with every change of the SQL files: older installations are then brought up to it."""

_FILES = (
    "10_messages.sql",
    "20_names.sql",
    "30_indexes.sql",
    "40_write.sql",
    "50_read_stream.sql",
    "55_read_category.sql",
    "60_reports.sql",
)
_PRIVILEGES = "70_privileges.sql"

# A pair of integers: Message DB's own locks are single numbers, so the two can never meet.
_LOCK = (0x4D444220, 1)


@dataclass(frozen=True, slots=True)
class Installation:
    """
    What `install` found or made.

    `ours` is false for a Message DB that somebody else installed, which is left as it is.
    `notes` are for the operator: what was not done, and why that is no failure.
    """

    version: str
    ours: bool
    changed: bool
    notes: tuple[str, ...] = ()


def install(connection: psycopg.Connection[Any]) -> Installation:
    """
    Make sure that the database offers the Message DB interface.

    Installs all of it in one transaction, or, on a connection that is inside a transaction
    already, as a part of that one. Safe to call again, and from several processes at once.
    Never overwrites what it did not create and never goes back to an older revision.
    """
    try:
        with connection.transaction():
            if settled := _settled(connection, look(connection)):
                return settled
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
            # Another installer may have been first.
            return _settled(connection, look(connection)) or _apply(connection)
    except errors.InsufficientPrivilege as error:
        raise StoreUnavailableError(
            f"user {connection.info.user} may not install the Message DB functions in database "
            f"{connection.info.dbname} ({error.diag.message_primary}); ask an administrator for "
            "GRANT CREATE ON DATABASE, or let the owner of the schema message_store install them"
        ) from error


def sql_files() -> tuple[tuple[str, bytes], ...]:
    """The files that make up the interface, with their names, in the order they are applied."""
    return tuple((name, _read(name)) for name in (*_FILES, _PRIVILEGES))


def add_thread_index(connection: psycopg.Connection[Any]) -> bool:
    """
    Give a genuine Message DB the index that lists the newest threads; true if it was built.

    Writers are not blocked meanwhile, which PostgreSQL can only do outside of a transaction: the
    connection has to be in autocommit mode.
    """
    if not connection.autocommit:
        raise UsageError("the index can only be built on a connection in autocommit mode")
    with connection.cursor(row_factory=tuple_row) as cursor:
        # Not waiting for the lock: a waiting statement holds a snapshot, and the index that is
        # being built waits for all older snapshots to go.
        row = cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOCK).fetchone()
        if row == (False,):
            raise StoreUnavailableError("another process is changing the schema; try again later")
        try:
            return _build_thread_index(cursor)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", _LOCK)


def _settled(connection: psycopg.Connection[Any], found: Findings) -> Installation | None:
    """The answer, when there is nothing to do; `None` when there is."""
    if found.is_empty:
        return None
    if found.revision is None and found.missing:
        raise SchemaMissingError(
            "the schema message_store was not made by this program and lacks "
            f"{', '.join(found.missing)}; complete it with Message DB's own installer (1.3), "
            "or use another database"
        )
    if found.revision is not None and found.revision <= REVISION:
        if found.revision < REVISION or found.missing:
            return None
        return Installation(_version(connection), ours=True, changed=False)
    if found.revision is None:
        note = "a Message DB that was not installed by this program; left as it is"
    else:
        note = f"installed by a newer program (revision {found.revision}); left as it is"
    return Installation(
        _version(connection), ours=found.revision is not None, changed=False, notes=(note,)
    )


def _apply(connection: psycopg.Connection[Any]) -> Installation:
    for name in _FILES:
        connection.execute(_read(name))
    note = _create_role(connection)
    if note is None:
        connection.execute(_read(_PRIVILEGES))
    connection.execute(
        f"COMMENT ON TABLE message_store.messages IS '{MARK.format(REVISION)}'".encode()
    )
    return Installation(
        _version(connection), ours=True, changed=True, notes=() if note is None else (note,)
    )


def _create_role(connection: psycopg.Connection[Any]) -> str | None:
    """Create the role message_store; if that is refused, say so instead: nothing here needs it."""
    try:
        with connection.transaction():
            connection.execute("CREATE ROLE message_store LOGIN")
    except (errors.DuplicateObject, errors.UniqueViolation):
        # The second: created just now, through another database of the same server.
        return None
    except errors.InsufficientPrivilege:
        if _role_exists(connection):
            return None
        return (
            f"user {connection.info.user} may not create roles, so there is no role message_store; "
            "everything else is installed"
        )
    return None


def _role_exists(connection: psycopg.Connection[Any]) -> bool:
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'message_store'")
        return found.fetchone() is not None


def _build_thread_index(cursor: psycopg.Cursor[tuple[Any, ...]]) -> bool:
    row = cursor.execute(
        "SELECT indisvalid FROM pg_index "
        "WHERE indexrelid = to_regclass('message_store.messages_first')"
    ).fetchone()
    if row == (True,):
        return False
    # An invalid one is what an interrupted build has left.
    cursor.execute("DROP INDEX CONCURRENTLY IF EXISTS message_store.messages_first")
    cursor.execute(
        "CREATE INDEX CONCURRENTLY messages_first ON message_store.messages "
        "(message_store.category(stream_name), global_position) WHERE position = 0"
    )
    return True


def _version(connection: psycopg.Connection[Any]) -> str:
    return installed_version(connection) or "unknown"


def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()
