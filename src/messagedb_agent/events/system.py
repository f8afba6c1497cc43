"""What happened to the thread itself."""

from __future__ import annotations

from typing import Any

from messagedb_agent.events.base import Event


class SessionStarted(Event, frozen=True, kw_only=True):
    """The first event of a thread."""

    thread_id: str = ""
    initial_context: Any = None


class SessionCompleted(Event, frozen=True, kw_only=True):
    """The thread is over; `completion_reason` is success, failure or timeout."""

    completion_reason: str = "success"


class ErrorOccurred(Event, frozen=True, kw_only=True):
    """Something went wrong that belongs to no step."""

    error_type: str = ""
    error_message: str = ""
    stack_trace: str | None = None


class TurnInterrupted(Event, frozen=True, kw_only=True):
    """Somebody stopped the running turn; the thread can go on."""

    reason: str | None = None


class LimitReached(Event, frozen=True, kw_only=True):
    """The turn stopped: `limit` names the bound, `maximum` says where, `value` how far it was."""

    limit: str
    value: float
    maximum: float


class ThreadForked(Event, frozen=True, kw_only=True):
    """
    The first event of a thread that continues another one from a position on.

    The origin's events up to `origin_position` are this thread's history, too. They are
    shared, not copied: a stream never changes, so a reference to it is as good.
    """

    origin_stream_name: str
    origin_position: int
    reason: str | None = None


class ThreadRewound(Event, frozen=True, kw_only=True):
    """
    The thread goes on as if nothing had happened after `to_position`.

    `claims` is how many model calls it had begun until now, so that the next ones are counted on
    from there and are none of those that are left behind. Earlier programs did not write it.
    """

    to_position: int
    reason: str | None = None
    claims: int | None = None
