"""What a database error means. The only place that reads the server's error texts."""

from __future__ import annotations

import re

import psycopg
from psycopg import errors

from messagedb_agent.errors import (
    AgentError,
    OptimisticConcurrencyError,
    SchemaMissingError,
    StoreUnavailableError,
    ThreadArchivedError,
    UsageError,
)

# Message DB raises P0001 for this and has no code of its own; the words are the interface.
_WRONG_VERSION = re.compile(
    r"Wrong expected version: (-?\d+) \(Stream: (.*), Stream Version: (-?\d+)\)", re.DOTALL
)

# What the guard of the archive raises, see store/archive/guard.sql.
_ARCHIVED = "MA001"
_ARCHIVED_STREAM = "Stream is archived: "

_TOO_MANY_CONNECTIONS = "53300"
_CONNECTION_LOST = ("08", "57P", _TOO_MANY_CONNECTIONS)
_REFUSED_FOR_NOW = ("53", "25006")
"""SQLSTATEs and beginnings of them: connection exceptions, operator intervention (shut down,
crashed, starting up), insufficient resources (disk, memory), read-only transactions."""

_MISSING = (errors.UndefinedFunction, errors.InvalidSchemaName, errors.UndefinedTable)


def first_line(error: BaseException) -> str:
    """The first line of an error's text, which is the one that says what happened."""
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


def is_duplicate_id(error: psycopg.Error) -> bool:
    """Whether a write failed because an event with this id is stored already."""
    return isinstance(error, errors.UniqueViolation) and error.diag.constraint_name == "messages_id"


def is_connection_lost(error: psycopg.Error) -> bool:
    """Whether the same statement may succeed on a new connection, a moment later."""
    if error.sqlstate:
        return error.sqlstate.startswith(_CONNECTION_LOST)
    # libpq reports a broken connection without an SQLSTATE.
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


def is_refused_for_now(error: psycopg.Error) -> bool:
    """Whether the server answers, but lacks space or memory, or takes no writes as a standby."""
    return error.sqlstate is not None and error.sqlstate.startswith(_REFUSED_FOR_NOW)


def is_worth_repeating(error: psycopg.Error) -> bool:
    """Whether a transaction that the server refused may succeed when it is run again."""
    return isinstance(error, errors.DeadlockDetected | errors.SerializationFailure)


def translate(error: psycopg.Error) -> AgentError:
    """The exception of this package that says what a database error means."""
    if isinstance(error, errors.RaiseException) and (found := _WRONG_VERSION.search(str(error))):
        return OptimisticConcurrencyError(found[2], int(found[1]), int(found[3]))
    if error.sqlstate == _ARCHIVED:
        return ThreadArchivedError(first_line(error).removeprefix(_ARCHIVED_STREAM))
    if is_duplicate_id(error):
        return UsageError("an event with one of these ids is stored already")
    if isinstance(error, _MISSING) and "message" in str(error):
        return SchemaMissingError(
            "the Message DB functions are not installed in this database; "
            "`./cli db install` installs them"
        )
    if isinstance(error, psycopg.DataError) and not error.sqlstate:
        # psycopg did not even send it: a NUL in a text, for example.
        return UsageError(f"the database can not take a value: {first_line(error)}")
    if isinstance(error, errors.InvalidPassword | errors.InvalidAuthorizationSpecification):
        return StoreUnavailableError(
            f"the database refuses this login: {first_line(error)}; check DB_USER and DB_PASSWORD"
        )
    return StoreUnavailableError(f"the database reports: {first_line(error)}")
