"""
Queries without psycopg, for commands that have to be quick.

Importing psycopg costs a third of a second on a slow core, more than all else that `list`
and `show` do. They read a few rows and leave, so libpq itself, which psycopg brings along, is
called through ctypes here. Where it can't be loaded psycopg does the same work.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from messagedb_agent.errors import (
    ConfigurationError,
    SchemaMissingError,
    StoreUnavailableError,
    UsageError,
)

Row = list[str | None]

_CONNECTION_OK = 0
_DONE = (1, 2)  # PGRES_COMMAND_OK, PGRES_TUPLES_OK
_FIELD_SQLSTATE = ord("C")
_FIELD_MESSAGE = ord("M")
_UNDEFINED = frozenset({"42883", "42P01", "3F000"})

INSTALL_HINT = (
    "the Message DB functions are not installed in this database; `./cli db install` installs them"
)


class QuickConnection(Protocol):
    """A connection that answers queries with rows of text."""

    def query(self, sql: str, parameters: Sequence[str | None] = ()) -> list[Row]:
        """
        The rows of a statement with $1-style parameters; values as PostgreSQL prints them.

        Of one that gives none, there are none.
        """
        ...


@contextmanager
def quick_connection(conninfo: Mapping[str, Any]) -> Iterator[QuickConnection]:
    """
    Connect for a few reads.

    Raises `StoreUnavailableError` when the server can't be reached, and `SchemaMissingError`
    when a query finds Message DB missing.
    """
    libpq = _load()
    settings = {"connect_timeout": "3", "application_name": "messagedb-agent", **conninfo}
    if libpq is None:
        with _psycopg_connection(settings) as fallback:
            yield fallback
        return
    connection = _LibpqConnection(libpq, settings)
    try:
        yield connection
    finally:
        connection.close()


class _LibpqConnection:
    """One session of libpq; see libpq's own documentation for the functions used."""

    def __init__(self, libpq: ctypes.CDLL, settings: Mapping[str, Any]) -> None:
        self._libpq = libpq
        self._session: int | None = None
        self._check(str(settings.get("dbname", "")))
        given = [(name, value) for name, value in settings.items() if value is not None]
        size = len(given) + 1
        names = (ctypes.c_char_p * size)(*(name.encode() for name, _ in given), None)
        values = (ctypes.c_char_p * size)(*(str(value).encode() for _, value in given), None)
        self._session = libpq.PQconnectdbParams(names, values, 1)
        if libpq.PQstatus(self._session) != _CONNECTION_OK:
            message = _text(libpq.PQerrorMessage(self._session))
            self.close()
            raise StoreUnavailableError(unreachable(settings, message))
        libpq.PQsetClientEncoding(self._session, b"UTF8")

    def _check(self, name: str) -> None:
        if not is_connection_string(name):
            return
        options = self._libpq.PQconninfoParse(name.encode(), None)
        if not options:
            raise wrong_connection_string()
        self._libpq.PQconninfoFree(options)

    def query(self, sql: str, parameters: Sequence[str | None] = ()) -> list[Row]:
        libpq, count = self._libpq, len(parameters)
        if any("\0" in value for value in parameters if value):
            raise UsageError("a NUL character can not be part of what is searched for")
        encoded = [
            None if value is None else value.encode("utf-8", "surrogateescape")
            for value in parameters
        ]
        values = (ctypes.c_char_p * max(count, 1))(*encoded)
        result = libpq.PQexecParams(self._session, sql.encode(), count, None, values, None, None, 0)
        try:
            if libpq.PQresultStatus(result) not in _DONE:
                raise self._error(result)
            return self._rows(result)
        finally:
            libpq.PQclear(result)

    def close(self) -> None:
        if self._session:
            self._libpq.PQfinish(self._session)
            self._session = None

    def _rows(self, result: int) -> list[Row]:
        libpq = self._libpq
        columns = range(libpq.PQnfields(result))
        value, is_null = libpq.PQgetvalue, libpq.PQgetisnull
        return [
            [
                None if is_null(result, row, column) else value(result, row, column).decode()
                for column in columns
            ]
            for row in range(libpq.PQntuples(result))
        ]

    def _error(self, result: int) -> StoreUnavailableError:
        state = _text(self._libpq.PQresultErrorField(result, _FIELD_SQLSTATE))
        if state in _UNDEFINED:
            return SchemaMissingError(INSTALL_HINT)
        message = _text(self._libpq.PQresultErrorField(result, _FIELD_MESSAGE))
        message = message or _text(self._libpq.PQerrorMessage(self._session))
        return StoreUnavailableError(f"the database reports: {_first_line(message)}")


class PsycopgQueries:
    """The queries of this module on a psycopg connection that somebody has anyway."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def query(self, sql: str, parameters: Sequence[str | None] = ()) -> list[Row]:
        """The rows of a statement, as `QuickConnection.query` gives them."""
        import psycopg

        from messagedb_agent.store.faults import translate

        try:
            with psycopg.RawCursor(self._connection) as cursor:
                cursor.execute(sql.encode(), parameters)
                has_rows = cursor.description is not None
                return [_as_text(row) for row in cursor.fetchall()] if has_rows else []
        except psycopg.Error as error:
            raise translate(error) from error


@contextmanager
def _psycopg_connection(settings: Mapping[str, Any]) -> Iterator[PsycopgQueries]:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    given = dict(settings)
    name = str(given.get("dbname", ""))
    try:
        if is_connection_string(name):
            given |= conninfo_to_dict(given.pop("dbname"))
    except psycopg.ProgrammingError as error:
        raise wrong_connection_string() from error
    try:
        connection = psycopg.connect(autocommit=True, **given)
    except psycopg.Error as error:
        raise StoreUnavailableError(unreachable(settings, str(error))) from error
    with connection:
        yield PsycopgQueries(connection)


def is_connection_string(name: str) -> bool:
    """Whether libpq takes this database name for a whole connection string."""
    return "=" in name or "://" in name


def wrong_connection_string() -> ConfigurationError:
    """
    For a connection string that can not be parsed.

    The parser quotes what it could not read, which may be a password, so it is not told.
    """
    return ConfigurationError(
        "DATABASE_URL is wrong: it can not be read as a connection URI or string"
    )


def unreachable(settings: Mapping[str, Any], message: str) -> str:
    """One line that says which server did not let us in, why, and what to look at."""
    if is_connection_string(str(settings.get("dbname", ""))):
        place, check = "the server of DATABASE_URL", "check DATABASE_URL"
    else:
        place = f"{settings.get('host', 'localhost')}:{settings.get('port', 5432)}"
        check = "check DB_HOST, DB_PORT, DB_NAME, DB_USER and DB_PASSWORD"
    return (
        f"cannot connect to PostgreSQL at {place}: {_first_line(message)}; "
        f"{check} (`./cli doctor` looks closer)"
    )


def _as_text(row: Sequence[Any]) -> Row:
    return [None if value is None else str(value) for value in row]


def _first_line(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[0] if lines else "no reason given"


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


def _load() -> ctypes.CDLL | None:
    path = _find()
    if path is None:
        return None
    try:
        libpq = ctypes.CDLL(str(path))
    except OSError:
        return None
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "PQconnectdbParams": (pointer, (pointer, pointer, number)),
        "PQconninfoParse": (pointer, (text, pointer)),
        "PQconninfoFree": (None, (pointer,)),
        "PQstatus": (number, (pointer,)),
        "PQerrorMessage": (text, (pointer,)),
        "PQsetClientEncoding": (number, (pointer, text)),
        "PQexecParams": (
            pointer,
            (pointer, text, number, pointer, pointer, pointer, pointer, number),
        ),
        "PQresultStatus": (number, (pointer,)),
        "PQresultErrorField": (text, (pointer, number)),
        "PQntuples": (number, (pointer,)),
        "PQnfields": (number, (pointer,)),
        "PQgetisnull": (number, (pointer, number, number)),
        "PQgetvalue": (text, (pointer, number, number)),
        "PQclear": (None, (pointer,)),
        "PQfinish": (None, (pointer,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(libpq, name)
        function.restype, function.argtypes = result, arguments
    return libpq


def _find() -> Path | None:
    """The libpq that the psycopg-binary wheel carries."""
    for entry in sys.path:
        for folder in ("psycopg_binary.libs", "psycopg_binary/.dylibs"):
            for file in Path(entry, folder).glob("libpq[-.]*"):
                return file
    return None
