"""A database of its own for each test, in which nobody has searched yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.quick import QuickConnection, quick_connection
from tests.postgres import NewDatabase


@pytest.fixture
def message_db(server: NewDatabase) -> dict[str, Any]:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return conninfo_to_dict(dsn)


@pytest.fixture
def quick(message_db: dict[str, Any]) -> Iterator[QuickConnection]:
    with quick_connection(message_db) as connection:
        yield connection
