"""Procrastinate's way to the database: through threads, and past the database's restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString, TypeVar

import psycopg
from procrastinate import PsycopgConnector, SyncPsycopgConnector
from procrastinate.connector import Notify
from procrastinate.exceptions import ConnectorException
from psycopg_pool import ConnectionPool

from messagedb_agent.store.faults import is_connection_lost
from messagedb_agent.workers.schema import SCHEMA

T = TypeVar("T")

PAUSE_SECONDS = 0.3
_CONNECTIONS = 3


class PatientConnector(PsycopgConnector):
    """
    Waits for a server that went away instead of failing, until `is_leaving` says so.

    A statement may thus be run twice. What that leaves behind (a job that was fetched for
    nobody) is put back by the worker's own rounds. Statements run in threads, because psycopg
    waits there without the event loop, in a quarter of the time; only notifications are
    listened to in the loop itself.
    """

    def __init__(self, settings: Mapping[str, Any], is_leaving: Callable[[], bool]) -> None:
        options = f"-c search_path={SCHEMA},public -c statement_timeout=60s"
        settings = {**settings, "options": options}
        super().__init__(kwargs=settings, min_size=0, max_size=1)
        # Not the pool that the connector makes by itself, which asks the server before each
        # statement whether it is still there.
        self._connections = ConnectionPool(
            kwargs={**settings, "autocommit": True},
            min_size=1,
            max_size=_CONNECTIONS,
            timeout=5.0,
            reconnect_timeout=0,
            open=False,
            name="messagedb-agent queue",
        )
        self._statements = SyncPsycopgConnector()
        self._executor = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="queue")
        self._is_leaving = is_leaving

    async def open_async(self, pool: Any = None) -> None:
        """See `BaseConnector`."""
        await super().open_async(pool)
        await self._in_thread(lambda: self._connections.open(wait=True))
        self._statements.open(self._connections)

    async def close_async(self) -> None:
        """See `BaseConnector`."""
        await super().close_async()
        await self._in_thread(self._connections.close)
        self._executor.shutdown(wait=False)

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """See `BaseConnector`."""
        await self._run(lambda: self._statements.execute_query(query, **arguments))

    async def execute_query_one_async(
        self, query: LiteralString, **arguments: Any
    ) -> dict[str, Any]:
        """See `BaseConnector`."""
        return await self._run(lambda: self._statements.execute_query_one(query, **arguments))

    async def execute_query_all_async(
        self, query: LiteralString, **arguments: Any
    ) -> list[dict[str, Any]]:
        """See `BaseConnector`."""
        return await self._run(lambda: self._statements.execute_query_all(query, **arguments))

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        """See `BaseConnector`; listens again once the server is back."""
        names = list(channels)
        listen = super().listen_notify
        await self._patiently(lambda: listen(on_notification, names))

    async def _run(self, statement: Callable[[], T]) -> T:
        return await self._patiently(lambda: self._in_thread(statement))

    def _in_thread(self, call: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._executor, call)

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
