"""
Short statements that are asked over and over, by the shortest way that psycopg offers.

Most of what a turn asks of the server takes it less time than a cursor needs to adapt values and
to look up its plan. The connections of the store say the same through psycopg's libpq layer,
`psycopg.pq`, for texts and numbers only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import generators, pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.rows import tuple_row

Parameter: TypeAlias = str | int | None
Row: TypeAlias = tuple[Any, ...]

_GOOD = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class StoreConnection(psycopg.Connection[Row]):
    """A connection of the store, which is in autocommit mode."""

    def __init__(self, pgconn: pq.abc.PGconn, row_factory: Any = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self._names: dict[str, bytes] = {}
        self._values = Transformer(self)

    def ask(self, query: LiteralString, parameters: Sequence[Parameter]) -> list[Row]:
        """The rows of a statement, which is prepared once."""
        values = _dumped(parameters)
        with self.lock:
            try:
                return self._run(query, values)
            except psycopg.errors.InvalidSqlStatementName:
                # Somebody who had the connection before threw away what was prepared.
                self._names.clear()
                if self.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                    raise
            return self._run(query, values)

    def _run(self, query: str, values: list[bytes | None]) -> list[Row]:
        name = self._names.get(query) or self._prepare(query)
        self.pgconn.send_query_prepared(name, values)
        result = self._result()
        self._values.set_pgresult(result)
        return self._values.load_rows(0, result.ntuples, tuple)

    def _prepare(self, query: str) -> bytes:
        name = f"store_{len(self._names)}".encode()
        self.pgconn.send_prepare(name, query.encode())
        self._result()
        self._names[query] = name
        return name

    def _result(self) -> pq.abc.PGresult:
        results: list[pq.abc.PGresult] = self.wait(generators.execute(self.pgconn))
        last = results[-1]
        if last.status not in _GOOD:
            raise error_from_result(last)
        return last


def ask(
    connection: psycopg.Connection[Any], query: LiteralString, *parameters: Parameter
) -> list[Row]:
    """The rows of a statement, on whatever connection. Raises psycopg errors as they come."""
    if isinstance(connection, StoreConnection):
        return connection.ask(query, parameters)
    with psycopg.RawCursor(connection) as cursor:
        return cursor.execute(query, parameters, prepare=True).fetchall()


def array(values: Iterable[Parameter]) -> str:
    """Values as the text of an array, for a parameter that the statement casts to one."""
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Parameter) -> str:
    if value is None:
        return "NULL"
    escaped = str(value).replace("\\", r"\\").replace('"', r"\"")
    return f'"{escaped}"'


def _dumped(parameters: Sequence[Parameter]) -> list[bytes | None]:
    values = [None if value is None else str(value).encode() for value in parameters]
    # libpq would take it for the end of the text.
    if b"\0" in b"".join(filter(None, values)):
        raise psycopg.DataError("PostgreSQL text can not have NUL characters")
    return values
