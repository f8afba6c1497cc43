"""What all examples share: the event store in the private PostgreSQL of this user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.embedded import EmbeddedServer, default_home
from messagedb_agent.store.schema import install


@contextmanager
def open_store() -> Iterator[MessageDBClient]:
    """
    The store that `./cli` uses when no database is configured.

    The server is started if need be and may stop again once the block ends.
    """
    server = EmbeddedServer(default_home(os.environ))
    with server.acquire() as lease, MessageDBClient(lease.conninfo) as store:
        with store.connection() as connection:
            install(connection)
        yield store
