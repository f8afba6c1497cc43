"""
The genuine Message DB in its container, held to the same contract. Run by `./test --docker`.

Elsewhere these tests are skipped: they need a Docker engine, and the image from its registry.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.store.base import EventStore
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.testing.store_contract import StoreContract

pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """Names the file to pytest-docker, which starts and stops what is in it."""
    return str(Path(__file__).resolve().parents[2] / "docker-compose.test.yml")


@pytest.fixture(scope="session")
def conninfo(docker_services: Any) -> dict[str, str]:
    settings = {
        "host": "127.0.0.1",
        "port": os.environ.get("MESSAGEDB_AGENT_TEST_PORT", "5434"),
        "dbname": "message_store",
        "user": "postgres",
        "password": os.environ.get("MESSAGEDB_AGENT_TEST_PASSWORD", "message_store"),
    }
    docker_services.wait_until_responsive(timeout=90, pause=0.5, check=lambda: _is_up(settings))
    return settings


def _is_up(settings: dict[str, str]) -> bool:
    from messagedb_agent.errors import StoreUnavailableError

    try:
        with MessageDBClient(settings, patience_seconds=0) as client:
            client.health_check()
    except StoreUnavailableError:
        return False
    return True


class TestMessageDBInItsContainer(StoreContract):
    @pytest.fixture
    def store(self, conninfo: dict[str, str]) -> Iterator[EventStore]:
        with MessageDBClient(conninfo) as client:
            yield client
