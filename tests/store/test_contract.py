"""Every event store keeps the same contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from messagedb_agent.store.base import EventStore
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[EventStore]:
        store = MemoryStore()
        yield store
        store.close()


class TestMessageDBClient(StoreContract):
    @pytest.fixture
    def store(self, client: MessageDBClient) -> EventStore:
        return client
