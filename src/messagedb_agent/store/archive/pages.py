"""Pages of archived streams, for those who have psycopg anyway."""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from messagedb_agent.events.codec import EventRow
from messagedb_agent.store.archive.reading import EXISTS, PAGE, VERSION
from messagedb_agent.store.base import NO_STREAM


class Archive:
    """The archive as a process with psycopg sees it; raises psycopg errors as they come."""

    def __init__(self) -> None:
        self._exists = False

    def page(
        self,
        connection: psycopg.Connection[Any],
        stream_name: str,
        position: int,
        batch_size: int,
    ) -> list[EventRow]:
        """Up to `batch_size` rows of an archived stream from a position on."""
        rows = self._ask(connection, PAGE, stream_name, position, batch_size)
        return [EventRow._make(row) for row in rows]

    def version(self, connection: psycopg.Connection[Any], stream_name: str) -> int:
        """The position of the last event, or `NO_STREAM` for a stream that is not archived."""
        rows = self._ask(connection, VERSION, stream_name)
        return int(rows[0][0]) if rows else NO_STREAM

    def _ask(
        self, connection: psycopg.Connection[Any], query: LiteralString, *parameters: object
    ) -> list[tuple[Any, ...]]:
        with psycopg.RawCursor(connection) as cursor:
            # Asked again while there is none: another process may make it at any time.
            self._exists = self._exists or cursor.execute(EXISTS).fetchone() != (None,)
            return cursor.execute(query, parameters).fetchall() if self._exists else []
