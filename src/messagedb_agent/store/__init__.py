"""
The event store: Message DB, and the same in memory.

Names are looked up when they are used: importing psycopg takes longer than most commands.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers know the name; importing typing for it would cost every short command 5 ms.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from messagedb_agent.errors import OptimisticConcurrencyError
    from messagedb_agent.events.base import RecordedEvent as Event
    from messagedb_agent.store.base import NewEvent
    from messagedb_agent.store.category import get_category_messages
    from messagedb_agent.store.client import MessageDBClient
    from messagedb_agent.store.memory import MemoryStore
    from messagedb_agent.store.positions import MemoryPositions, PositionStore, StreamPositions
    from messagedb_agent.store.stream import (
        build_stream_name,
        generate_thread_id,
        parse_stream_name,
    )
    from messagedb_agent.store.streams import read_stream, write_event
    from messagedb_agent.store.table_positions import TablePositions

_HOMES = {
    "Event": "events.base",
    "MemoryPositions": "store.positions",
    "MemoryStore": "store.memory",
    "MessageDBClient": "store.client",
    "NewEvent": "store.base",
    "OptimisticConcurrencyError": "errors",
    "PositionStore": "store.positions",
    "StreamPositions": "store.positions",
    "TablePositions": "store.table_positions",
    "build_stream_name": "store.stream",
    "generate_thread_id": "store.stream",
    "get_category_messages": "store.category",
    "parse_stream_name": "store.stream",
    "read_stream": "store.streams",
    "write_event": "store.streams",
}

_RENAMED = {"Event": "RecordedEvent"}
"""What a store gives back is an event that was recorded; here that goes without saying."""

__all__ = [
    "Event",
    "MemoryPositions",
    "MemoryStore",
    "MessageDBClient",
    "NewEvent",
    "OptimisticConcurrencyError",
    "PositionStore",
    "StreamPositions",
    "TablePositions",
    "build_stream_name",
    "generate_thread_id",
    "get_category_messages",
    "parse_stream_name",
    "read_stream",
    "write_event",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"messagedb_agent.{_HOMES[name]}"), _RENAMED.get(name, name))
