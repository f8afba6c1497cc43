from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from messagedb_agent.observability.logging import configure
from tests.observability.collector import Collector, collecting
from tests.postgres import server

__all__ = ["server"]

PATIENCE_SECONDS = 60.0


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with collecting() as collector:
        yield collector


@pytest.fixture(autouse=True)
def nothing_left_to_send() -> Iterator[None]:
    """Telemetry that was closed in vain would complain in the next test, to its handler."""
    yield
    for thread in threading.enumerate():
        if thread.name == "telemetry flush":
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()


@pytest.fixture(autouse=True)
def quiet_again() -> Iterator[None]:
    """How a process logs is one setting per process, and tests share one."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    configure()
    root.handlers[:] = handlers
    root.setLevel(level)
