"""
Fixtures for tests of consumers: a store on a real server, and a category for each test.

A test module takes what it needs by name, `store = message_db.store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from messagedb_agent.store import MessageDBClient, schema
from tests.postgres import NewDatabase


def new_message_db(server: NewDatabase) -> str:
    """A database of its own with Message DB in it, and nothing else."""
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return dsn


def outage(dsn: str) -> tuple[Callable[[], None], Callable[[], None]]:
    """Functions that take the database away, and give it back."""
    elsewhere = make_conninfo(dsn, dbname="postgres")
    name = conninfo_to_dict(dsn)["dbname"]

    def allow(is_up: bool) -> None:
        with psycopg.connect(elsewhere, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                    sql.Identifier(str(name)), sql.Literal(is_up)
                )
            )
            if not is_up:
                connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                    "WHERE datname = %s",
                    (name,),
                )

    return lambda: allow(False), lambda: allow(True)


@pytest.fixture(scope="session")
def dsn(server: NewDatabase) -> str:
    """A database that all tests of a process share."""
    return new_message_db(server)


@pytest.fixture
def store(dsn: str) -> Iterator[MessageDBClient]:
    with MessageDBClient(conninfo_to_dict(dsn)) as store:
        yield store


@pytest.fixture
def category() -> str:
    return f"test{uuid4().hex[:12]}:v0"
