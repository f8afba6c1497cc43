"""What time has decided about a thread, written down by whoever notices; nothing is driven."""

from __future__ import annotations

from datetime import datetime, timedelta

from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.projections.timers import Now, time_events
from messagedb_agent.store.base import EventStore

PATIENCE = timedelta(seconds=2)
"""How long those who don't drive a thread leave it to who does, whose clock may be behind."""


def settle(store: EventStore, stream_name: str, now: Now = utc_now) -> ThreadState:
    """
    Record what time has decided: a run that took too long, approvals and messages that are due.

    Whoever else does so at the same time, each of it is recorded once. Returns the state after
    it.
    """
    recorder = Recorder(store, stream_name)
    recorder.open()
    while events := time_events(recorder.state, now()):
        recorder.intend(events)
        recorder.flush()
    recorder.close()
    return recorder.state


def settle_late(store: EventStore, stream_name: str) -> ThreadState:
    """The same, for those who only watch: what is due for a moment already."""

    def a_moment_ago() -> datetime:
        return utc_now() - PATIENCE

    return settle(store, stream_name, a_moment_ago)
