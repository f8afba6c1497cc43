"""What the screen needs from outside."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from messagedb_agent.engine.agent import Agent
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.stream import (
    DEFAULT_CATEGORY,
    DEFAULT_VERSION,
    build_category,
    build_stream_name,
    generate_thread_id,
)

if TYPE_CHECKING:
    from messagedb_agent.observability.telemetry import Telemetry


class Store(EventStore, Protocol):
    """An event store that also lends a database connection, to list threads with."""

    def connection(self) -> AbstractContextManager[Any]:
        """A psycopg connection in autocommit mode, given back when the block ends."""
        ...

    def session(self) -> Any:
        """A psycopg connection of one's own, to be closed."""
        ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """
    The store, the agent for a thread in a given state, and whose decisions these are.

    Runs are traced with `telemetry`, if there is any.
    `make_agent` may raise any `AgentError`; that is shown, and the thread stays as it is. Runs
    write to `run_store`, if there is one.
    """

    store: Store
    make_agent: Callable[[ThreadState], Agent]
    run_store: EventStore | None = None
    telemetry: Telemetry | None = None
    who: str = "unknown"
    category: str = DEFAULT_CATEGORY
    version: str = DEFAULT_VERSION
    shards: int = 1

    @property
    def stream_category(self) -> str:
        """The Message DB category of the threads."""
        return build_category(self.category, self.version)

    def new_stream(self) -> str:
        """The name of a stream that does not exist yet."""
        return build_stream_name(self.category, self.version, generate_thread_id(), self.shards)
