"""What it takes to conclude a step beside the engine, in a transaction of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg

from messagedb_agent.engine.fencing import Claims, ToolStands
from messagedb_agent.errors import ClaimLostError
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import as_stored
from messagedb_agent.projections.base import Projected
from messagedb_agent.store.base import EventStore, NewEvent


class Foothold(msgspec.Struct, frozen=True):
    """
    A place in a stream from which any thread can go on, without asking the engine's.

    The engine's thread may be waiting for the lock that a transaction holds until its commit,
    and PostgreSQL can't see what that transaction waits for in this process. So nothing in
    here waits for that thread.
    """

    store: EventStore
    stream_name: str
    known: Projected[Claims]
    annotations: Mapping[str, Any]

    def conclude(
        self,
        connection: psycopg.Connection[Any],
        events: Sequence[Event],
        stands: ToolStands,
    ) -> None:
        """
        Record facts in the transaction that is open there, as the last thing before its commit.

        The category lock is taken first, so that nothing can come between the check and the
        write. Raises `ClaimLostError` when the facts may not be recorded any more.
        """
        connection.execute("SELECT message_store.acquire_lock(%s)", (self.stream_name,))
        start = self.known.version + 1
        newest = self.known.advance(
            self.store.read(self.stream_name, position=start, connection=connection)
        )
        if not stands(newest.state):
            raise claim_lost(self.stream_name)
        metadata = new_metadata(self.stream_name, newest.version) | dict(self.annotations)
        new = [NewEvent(event=as_stored(event), metadata=metadata) for event in events]
        self.store.append(self.stream_name, new, connection=connection)


def new_metadata(stream_name: str, cause: int) -> dict[str, Any]:
    """The metadata of events that a run writes, having seen the stream up to a position."""
    metadata: dict[str, Any] = {"correlationStreamName": stream_name}
    if cause >= 0:
        metadata["causationMessageStreamName"] = stream_name
        metadata["causationMessagePosition"] = cause
    return metadata


def claim_lost(stream_name: str) -> ClaimLostError:
    """What is raised instead of recording the result of a step that is somebody else's now."""
    return ClaimLostError(
        f"{stream_name}: another process has taken over this step; its result was dropped"
    )
