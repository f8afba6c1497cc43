"""Messages for later that nobody wants any more."""

from __future__ import annotations

from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.errors import ClaimLostError, UsageError
from messagedb_agent.events.user import MessageScheduled, MessageUnscheduled
from messagedb_agent.projections.schedule import Schedule
from messagedb_agent.store.base import EventStore


def unschedule(
    store: EventStore,
    stream_name: str,
    schedule_id: str | None = None,
    reason: str | None = None,
) -> Schedule:
    """
    Take messages back that were not added yet: all, or the one whose id begins like this.

    Returns them. Raises `UsageError` when there is none, the beginning fits several, or a
    message is added in the same moment.
    """
    recorder = Recorder(store, stream_name)
    recorder.open()
    found = find_scheduled(recorder.state.schedule, schedule_id)
    events = [MessageUnscheduled(schedule_id=it.schedule_id, reason=reason) for it in found]
    try:
        recorder.conclude(events, lambda state: all(it in state.schedule for it in found))
        recorder.flush()
    except ClaimLostError as lost:
        raise UsageError("the message was added or taken back meanwhile") from lost
    recorder.close()
    return found


def find_scheduled(schedule: Schedule, schedule_id: str | None) -> tuple[MessageScheduled, ...]:
    """
    The messages that wait for their time: all, or the one whose id begins like this.

    Raises `UsageError` when there is none, or the beginning fits several.
    """
    if not schedule:
        raise UsageError("no message of this thread waits for its time")
    if schedule_id is None:
        return schedule
    found = tuple(it for it in schedule if it.schedule_id.startswith(schedule_id))
    if len(found) != 1:
        names = ", ".join(it.schedule_id for it in schedule)
        raise UsageError(f"{schedule_id!r} names no single scheduled message; there are: {names}")
    return found
