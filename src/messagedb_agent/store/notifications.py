"""
Telling other processes that something was written.

A notification is a hint and nothing else: readers always read by position, and poll too. It
belongs after the commit, in a statement of its own, because a transaction that notifies makes
all others that do wait for its commit.
"""

from __future__ import annotations

from typing import Any, LiteralString

import psycopg

from messagedb_agent.store.shards import whole

CHANNEL: LiteralString = "messagedb_agent_events"
"""Where writers say which stream has new events; the payload is the stream's name."""

_NOTIFY: LiteralString = "SELECT pg_notify($1, $2)"
_LISTEN: LiteralString = f"LISTEN {CHANNEL}"
_LONGEST_PAYLOAD = 7999


def notify(connection: psycopg.Connection[Any], stream_name: str) -> None:
    """Wake whoever waits for events of this stream, of its category, or of any."""
    payload = stream_name if len(stream_name.encode()) <= _LONGEST_PAYLOAD else ""
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(_NOTIFY, (CHANNEL, payload), prepare=True)


def listen(connection: psycopg.Connection[Any]) -> None:
    """Have this session told; it must be one that is not shared."""
    connection.execute(_LISTEN)


def is_about(payload: str, source: str) -> bool:
    """Whether a notification concerns a category, one of its shards, or a stream."""
    # One whose name was too long is empty.
    names = (payload, whole(payload))
    return not payload or source in names or any(name.startswith(f"{source}-") for name in names)
