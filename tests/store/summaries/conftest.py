"""A database of its own for each test, in which nobody has listed threads yet."""

from __future__ import annotations

from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store.summaries import keeping
from tests.message_db import new_message_db
from tests.postgres import NewDatabase


@pytest.fixture
def message_db(server: NewDatabase) -> dict[str, Any]:
    return conninfo_to_dict(new_message_db(server))


@pytest.fixture
def keeps_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if threads of one event were long."""
    monkeypatch.setattr(keeping, "KEEP_EVENTS", 1)
