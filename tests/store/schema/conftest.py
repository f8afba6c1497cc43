"""Fixtures: a server, and databases with either implementation of the interface in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from messagedb_agent.store import schema
from tests.postgres import NewDatabase
from tests.store.schema import genuine
from tests.store.schema.probing import rolled_back

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="session")
def genuine_sql() -> Path:
    """The folder of the genuine Message DB's SQL files."""
    try:
        return genuine.sql_folder()
    except genuine.NotAvailableError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def ours_dsn(server: NewDatabase) -> str:
    """A database with our implementation, not to be changed: work in it is rolled back."""
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return dsn


@pytest.fixture(scope="session")
def genuine_dsn(server: NewDatabase, genuine_sql: Path) -> str:
    """The same with the genuine one."""
    dsn = server()
    with psycopg.connect(dsn) as connection:
        genuine.install(connection, genuine_sql)
    return dsn


@pytest.fixture
def ours(ours_dsn: str) -> Iterator[Connection]:
    with rolled_back(ours_dsn) as connection:
        yield connection


@pytest.fixture
def theirs(genuine_dsn: str) -> Iterator[Connection]:
    with rolled_back(genuine_dsn) as connection:
        yield connection
