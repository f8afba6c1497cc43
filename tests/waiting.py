"""Waiting for what another thread or process does, and nobody tells of."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import psycopg

_WANTED = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Ask again and again until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.005)


def wait_for_wanted_lock(connection: psycopg.Connection[Any]) -> None:
    """Until somebody waits for an advisory lock, which that of a category is."""
    assert connection.autocommit, "else it would be looked at in one snapshot"
    wait_until(lambda: connection.execute(_WANTED).rowcount)
