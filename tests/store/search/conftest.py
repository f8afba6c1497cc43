"""A database of its own for each test, in which nobody has searched yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store.quick import QuickConnection, quick_connection
from messagedb_agent.store.search import looking
from messagedb_agent.store.search.index import catch_up
from tests.message_db import new_message_db
from tests.postgres import NewDatabase


@pytest.fixture
def message_db(server: NewDatabase) -> dict[str, Any]:
    return conninfo_to_dict(new_message_db(server))


@pytest.fixture(scope="module")
def entered(server: NewDatabase) -> Iterator[QuickConnection]:
    """To a database that has an index, with nothing in it."""
    with quick_connection(conninfo_to_dict(new_message_db(server))) as connection:
        catch_up(connection, "agent:v0")
        yield connection


@pytest.fixture
def no_glance(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if there were more threads than the newest ones."""
    monkeypatch.setattr(looking, "GLANCE_THREADS", 0)
