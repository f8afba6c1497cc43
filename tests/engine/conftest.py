"""A store on a real server, and one in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from tests.engine.helpers import new_stream
from tests.postgres import NewDatabase


@pytest.fixture(scope="session")
def message_db(server: NewDatabase) -> dict[str, Any]:
    """Connection parameters of a database that tests of this folder share."""
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return conninfo_to_dict(dsn)


@pytest.fixture
def client(message_db: dict[str, Any]) -> Iterator[MessageDBClient]:
    with MessageDBClient(message_db) as client:
        yield client


@pytest.fixture
def memory() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def stream() -> str:
    return new_stream()
