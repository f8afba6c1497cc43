"""
Telling other processes that something was written.

A notification is a hint and nothing else: readers always read by position, and poll too. It
belongs after the commit, in a statement of its own, because a transaction that notifies makes
all others that do wait for its commit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg

from messagedb_agent.store.shards import whole
from messagedb_agent.store.statements import array, ask

CHANNEL: LiteralString = "messagedb_agent_events"
"""Where writers say which stream has new events; the payload is the stream's name."""

Hint = tuple[str, str]
"""A channel and a payload."""

_NOTIFY: LiteralString = """
    SELECT pg_notify(channel, payload)
    FROM unnest($1::text[], $2::text[]) AS hint (channel, payload)
"""
_LISTEN: LiteralString = f"LISTEN {CHANNEL}"
_LONGEST_PAYLOAD = 7999


def channel_of(stream_name: str) -> str:
    """The channel on which one thread is heard."""
    return f"messagedb_agent_{hashlib.sha256(stream_name.encode()).hexdigest()[:32]}"


def about(stream_name: str) -> tuple[Hint, Hint]:
    """What wakes whoever waits for events of this stream, of its category, or of any."""
    payload = stream_name if len(stream_name.encode()) <= _LONGEST_PAYLOAD else ""
    return (CHANNEL, payload), (channel_of(stream_name), "")


def send(connection: psycopg.Connection[Any], hints: Sequence[Hint]) -> None:
    """Send hints, outside of any transaction that appends."""
    ask(connection, _NOTIFY, *map(array, zip(*hints, strict=True)))


def listen(connection: psycopg.Connection[Any]) -> None:
    """Have this session told; it must be one that is not shared."""
    connection.execute(_LISTEN)


def is_about(payload: str, source: str) -> bool:
    """Whether a notification concerns a category, one of its shards, or a stream."""
    # One whose name was too long is empty.
    names = (payload, whole(payload))
    return not payload or source in names or any(name.startswith(f"{source}-") for name in names)
