"""Tells the queue when to look at a thread that some other process drives."""

from __future__ import annotations

from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.settle import PATIENCE
from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.tool import ToolApprovalRequested, ToolExecutionRequested
from messagedb_agent.projections.timers import as_time
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.queue import remind, transact


class Reminder:
    """
    The observer of a run outside of workers: its deadline, and those of approvals, are kept.

    Then a worker ends the run, or refuses the call, even if this process is long gone. Does
    nothing in a database without a queue.
    """

    def __init__(self, store: MessageDBClient) -> None:
        self._store = store
        self._told: str | None = None

    def __call__(self, record: RecordedEvent) -> None:
        """An event was recorded."""
        match record.event:
            case LLMCallRequested(run_deadline=text) | ToolExecutionRequested(run_deadline=text):
                pass
            case ToolApprovalRequested(expires_at=text):
                pass
            case _:
                return
        due = as_time(text)
        if due is None or text == self._told or due <= utc_now():
            return
        self._told = text
        delay = (due + PATIENCE - utc_now()).total_seconds()
        transact(self._store, lambda connection: remind(connection, record.stream_name, delay))
