"""Procrastinate's way to the database, made to survive the database's restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate import PsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException

from messagedb_agent.store.faults import is_connection_lost
from messagedb_agent.workers.schema import SCHEMA

T = TypeVar("T")

PAUSE_SECONDS = 0.3
_CONNECTIONS = 3


class PatientConnector(PsycopgConnector):
    """
    Waits for a server that went away instead of failing, until `is_leaving` says so.

    A statement may thus be run twice. What that leaves behind (a job that was fetched for
    nobody) is put back by the worker's own rounds.
    """

    def __init__(self, settings: Mapping[str, Any], is_leaving: Callable[[], bool]) -> None:
        options = f"-c search_path={SCHEMA},public -c statement_timeout=60s"
        super().__init__(
            kwargs={**settings, "options": options},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=5.0,
            reconnect_timeout=0,
            configure=_use_autocommit,
            name="messagedb-agent queue",
        )
        self._is_leaving = is_leaving

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """See `BaseConnector`."""
        execute = super().execute_query_async
        await self._patiently(lambda: execute(query, **arguments))

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        """See `BaseConnector`."""
        execute = super().execute_query_one_async
        return await self._patiently(lambda: execute(query, **arguments))

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        """See `BaseConnector`."""
        execute = super().execute_query_all_async
        return await self._patiently(lambda: execute(query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """See `BaseConnector`; listens again once the server is back."""
        names = list(channels)
        listen = super().listen_notify
        await self._patiently(lambda: listen(on_notification, names))

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await call()
            except ConnectorException as error:
                cause = error.__cause__
                lost = isinstance(cause, psycopg.Error) and is_connection_lost(cause)
                if not lost or self._is_leaving():
                    raise
            await asyncio.sleep(PAUSE_SECONDS)


async def _use_autocommit(connection: psycopg.AsyncConnection[Any]) -> None:
    await connection.set_autocommit(True)
