"""A server on a TCP port, to be killed and cut off from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from tests.faults.proxy import Proxy
from tests.postgres import ThrowawayServer, controlled_server


@pytest.fixture(scope="session")
def tcp_server() -> Iterator[ThrowawayServer]:
    with controlled_server(tcp=True, synchronous_commit="on") as server:
        with psycopg.connect(server.dsn) as connection:
            schema.install(connection)
        yield server


@pytest.fixture
def direct(tcp_server: ThrowawayServer) -> Iterator[MessageDBClient]:
    """A store that reaches the server without a detour."""
    with MessageDBClient(conninfo_to_dict(tcp_server.dsn)) as client:
        yield client


@pytest.fixture
def proxy(tcp_server: ThrowawayServer) -> Iterator[Proxy]:
    place = conninfo_to_dict(tcp_server.dsn)
    with Proxy(str(place["host"]), int(place["port"] or 0)) as proxy:
        yield proxy


@pytest.fixture
def proxied_conninfo(tcp_server: ThrowawayServer, proxy: Proxy) -> dict[str, Any]:
    return {**conninfo_to_dict(tcp_server.dsn), "port": proxy.port}


@pytest.fixture
def proxied(proxied_conninfo: dict[str, Any]) -> Iterator[MessageDBClient]:
    """A store that reaches the server through the proxy."""
    with MessageDBClient(proxied_conninfo, patience_seconds=20) as client:
        yield client
