"""A database with Message DB and nothing else in it, and a store on it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.schema import install
from tests.postgres import NewDatabase


@pytest.fixture(scope="module")
def database(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return dsn


@pytest.fixture
def dsn(database: str) -> str:
    """The module's database, emptied: making one takes longer than most tests."""
    with psycopg.connect(database) as connection:
        connection.execute("TRUNCATE message_store.messages RESTART IDENTITY")
        connection.execute("DROP SCHEMA IF EXISTS agent_queue CASCADE")
    return database


@pytest.fixture
def store(dsn: str) -> Iterator[MessageDBClient]:
    with MessageDBClient({"dbname": dsn}, max_connections=4) as client:
        yield client


@pytest.fixture
def queue(store: MessageDBClient) -> MessageDBClient:
    """The store of a database that has a queue."""
    with store.connection() as connection:
        install(connection, "agent:v0")
    return store
