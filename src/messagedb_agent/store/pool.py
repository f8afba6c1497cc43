"""The connections of one store, lent for as long as a statement takes, or a transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.store import operations
from messagedb_agent.store.connections import CONNECT_TIMEOUT_SECONDS
from messagedb_agent.store.statements import StoreConnection

_PATIENCE_SECONDS = 0.25


class StorePool:
    """
    Connections in autocommit mode, made when they are needed.

    `min_connections` are opened at once and kept; where there are any, all are made ready before
    they are used. `connect` makes one beside the pool, which tells why it can't be made.
    """

    def __init__(
        self,
        settings: Mapping[str, Any],
        connect: Callable[[], psycopg.Connection[Any]],
        *,
        min_connections: int,
        max_connections: int,
    ) -> None:
        self._connect = connect
        self._pool = ConnectionPool(
            connection_class=StoreConnection,
            kwargs={"autocommit": True, **settings},
            min_size=min_connections,
            max_size=max_connections,
            reconnect_timeout=0,
            configure=operations.warm_up if min_connections else None,
            open=False,
            name="messagedb-agent",
        )

    def open(self) -> None:
        """Begin to connect."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """End the connections; those that are lent end when they are given back."""
        self._pool.close()

    def give_back(self, connection: StoreConnection) -> None:
        """Who has taken a connection is done with it."""
        self._pool.putconn(connection)

    @contextmanager
    def lent(self) -> Iterator[StoreConnection]:
        """A connection, given back when the block ends."""
        connection = self.take()
        try:
            yield connection
        finally:
            self.give_back(connection)

    def take(self) -> StoreConnection:
        """A connection, for who gives it back. Raises `StoreUnavailableError` if there is none."""
        deadline = time.monotonic() + CONNECT_TIMEOUT_SECONDS
        while True:
            try:
                return self._pool.getconn(timeout=_PATIENCE_SECONDS)
            except PoolClosed as error:
                raise StoreUnavailableError("the event store was closed") from error
            except PoolTimeout as error:
                if self._pool.get_stats()["pool_size"] < self._pool.max_size:
                    # The pool knows only that it waited; a connection of our own learns why, or
                    # that the server is back since the pool gave up.
                    self._connect().close()
                if time.monotonic() > deadline:
                    raise StoreUnavailableError(
                        "all connections of this process stayed busy"
                    ) from error
