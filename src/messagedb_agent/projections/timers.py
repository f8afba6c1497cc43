"""
What the passing of time brings about, as events. Pure: whoever looks says what time it is.

The stream has every time that matters: a run's deadline, an approval's, that of a scheduled
message, that of another attempt. So no timer has to be kept anywhere; what keeps one only
says when to look.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from messagedb_agent.events.base import Event
from messagedb_agent.events.system import LimitReached
from messagedb_agent.events.user import ToolExecutionRejected, TurnResumed, UserMessageAdded
from messagedb_agent.projections.interruption import outcomes
from messagedb_agent.projections.next_step import Decider, Decision, Record
from messagedb_agent.projections.thread_state import ThreadState

RUN_TIMEOUT = "run_timeout"
"""The name of the limit that a run met which took too long."""

Now = Callable[[], datetime]
"""Tells the time, in UTC."""

_NEVER = datetime.max.replace(tzinfo=UTC)


def as_text(moment: datetime) -> str:
    """A moment as events tell it: ISO 8601 in UTC, to the millisecond."""
    moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_time(text: str | None) -> datetime | None:
    """The moment that an event tells; None for none, and for what is no time."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def keep_time(now: Now) -> Decider:
    """The decider that writes down what time has decided."""

    def decider(state: ThreadState) -> Decision | None:
        if not (state.run.deadline or state.schedule or state.calls.pending):
            return None
        events = time_events(state, now())
        return Record(events) if events else None

    return decider


def time_events(state: ThreadState, now: datetime) -> tuple[Event, ...]:
    """What is to be recorded because it is so late; in the order in which it is due."""
    if state.session.is_ended:
        return ()
    ended = _end_of_run(state, now)
    return (*ended, *(() if ended else _rejections(state, now)), *_messages(state, now))


def next_due(state: ThreadState) -> datetime | None:
    """When time will decide something next."""
    times: list[str | None] = [each.due_at for each in state.schedule]
    times += [call.expires_at for call in state.calls.pending]
    if not state.is_awaiting_approval:
        times.append(state.run.deadline)
    known = [moment for text in times if (moment := as_time(text))]
    return None if state.session.is_ended else min(known, default=None)


def is_overdue(state: ThreadState, now: datetime) -> bool:
    """Whether the thread's run has taken longer than it may."""
    run = state.run
    if not run.is_open or state.is_awaiting_approval:
        return False
    return now >= (as_time(run.deadline) or _NEVER)


def _end_of_run(state: ThreadState, now: datetime) -> tuple[Event, ...]:
    if not is_overdue(state, now):
        return ()
    run = state.run
    maximum = run.timeout or 0.0
    over = (now - (as_time(run.deadline) or now)).total_seconds()
    reached = LimitReached(limit=RUN_TIMEOUT, value=round(maximum + over, 3), maximum=maximum)
    # A message that nobody has looked at yet begins another turn.
    again = (TurnResumed(reason="a message came meanwhile"),) if run.late else ()
    return (*outcomes(state, "The run took longer than it may.", "timeout"), reached, *again)


def _rejections(state: ThreadState, now: datetime) -> tuple[Event, ...]:
    return tuple(
        ToolExecutionRejected(
            tool_name=call.call.name, reason="timed out", tool_call_id=call.call.id
        )
        for call in state.calls.pending
        if now >= (as_time(call.expires_at) or _NEVER)
    )


def _messages(state: ThreadState, now: datetime) -> tuple[Event, ...]:
    due = [each for each in state.schedule if now >= (as_time(each.due_at) or now)]
    return tuple(
        UserMessageAdded(
            message=each.message,
            timestamp=as_text(now),
            content=each.content,
            schedule_id=each.schedule_id,
        )
        for each in sorted(due, key=lambda each: each.due_at)
    )
