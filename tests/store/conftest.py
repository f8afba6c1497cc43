"""A database with Message DB in it, and stores on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import QuickConnection, quick_connection
from tests.message_db import new_message_db
from tests.postgres import NewDatabase


@pytest.fixture(scope="session")
def message_db(server: NewDatabase) -> dict[str, Any]:
    """Connection parameters of a database that tests of this folder share."""
    return conninfo_to_dict(new_message_db(server))


@pytest.fixture
def quick(message_db: dict[str, Any]) -> Iterator[QuickConnection]:
    with quick_connection(message_db) as connection:
        yield connection


@pytest.fixture
def client(message_db: dict[str, Any]) -> Iterator[MessageDBClient]:
    with MessageDBClient(message_db) as client:
        yield client
