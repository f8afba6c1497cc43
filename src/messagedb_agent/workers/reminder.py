"""Has the queue look after the deadlines of threads that other processes drive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.settle import PATIENCE
from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.tool import ToolApprovalRequested, ToolExecutionRequested
from messagedb_agent.projections.timers import as_time
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.operations import Batch
from messagedb_agent.store.wrapper import StoreWrapper
from messagedb_agent.workers.queue import remind


class RemindingStore(StoreWrapper[MessageDBClient]):
    """
    The event store of a run outside of workers: its deadline, and those of approvals, are kept.

    Each is left in the queue in the transaction of the event that tells of it. A worker ends the
    run then, or refuses the call, even if this process is long gone. A database without a
    queue is written to as ever.
    """

    def __init__(self, store: MessageDBClient) -> None:
        super().__init__(store)
        self._told: dict[str, str] = {}

    def append(
        self,
        stream_name: str,
        events: Sequence[NewEvent],
        *,
        expected_version: int | None = None,
        connection: psycopg.Connection[Any] | None = None,
    ) -> tuple[RecordedEvent, ...]:
        """Write all of the events and the reminder, or nothing; see `EventStore.append`."""
        text = min(filter(None, (_deadline(new.event) for new in events)), default=None)
        due = as_time(text)
        if text is None or due is None or connection is not None:
            return super().append(
                stream_name, events, expected_version=expected_version, connection=connection
            )
        if self._told.get(stream_name) == text:
            return super().append(stream_name, events, expected_version=expected_version)
        batch = Batch.of(stream_name, events, expected_version)
        delay = max(0.0, (due + PATIENCE - utc_now()).total_seconds())

        def reminded(own: psycopg.Connection[Any]) -> Batch:
            # The reminder first: the write takes the category's lock until the commit.
            remind(own, stream_name, delay)
            return batch

        recorded = self.store.append_after(reminded)
        self._told[stream_name] = text
        return recorded


def _deadline(event: Event) -> str | None:
    """When somebody has to look at the thread because of this event."""
    match event:
        case LLMCallRequested(run_deadline=text) | ToolExecutionRequested(run_deadline=text):
            return text
        case ToolApprovalRequested(expires_at=text):
            return text
        case _:
            return None
