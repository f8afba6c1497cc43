"""A database with the views in it, and what they say of a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from messagedb_agent.events.base import Event
from messagedb_agent.store import schema
from messagedb_agent.store.analytics import install_views
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from tests.postgres import NewDatabase

Rows: TypeAlias = list[dict[str, Any]]
Past: TypeAlias = Callable[[Sequence[Event]], str]


@pytest.fixture(scope="session")
def analytics_dsn(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.install(connection)
        install_views(connection)
    return dsn


@pytest.fixture
def connection(analytics_dsn: str) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with psycopg.connect(analytics_dsn, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def view(connection: psycopg.Connection[dict[str, Any]]) -> Callable[[str, str], Rows]:
    """The rows of a view about one stream, in order."""

    def rows(name: str, stream_name: str) -> Rows:
        order = "" if name == "threads" else "ORDER BY position"
        query = f"SELECT * FROM messagedb_agent.{name} WHERE stream_name = %s {order}"
        return connection.execute(query.encode(), (stream_name,)).fetchall()

    return rows


@pytest.fixture
def past(analytics_dsn: str) -> Iterator[Past]:
    """Writes the events of a new thread; gives its stream's name."""
    with MessageDBClient({"dbname": analytics_dsn}) as store:

        def write(events: Sequence[Event]) -> str:
            stream_name = f"c{uuid4().hex}:v0-t"
            store.append(stream_name, [NewEvent(event=event) for event in events])
            return stream_name

        yield write
