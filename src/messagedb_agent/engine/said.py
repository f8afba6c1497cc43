"""The event of somebody saying something, now or at a later time."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

from messagedb_agent.engine.clock import utc_now
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.user import MessageScheduled, UserMessageAdded
from messagedb_agent.projections.timers import as_text


def user_message(message: str, content: tuple[JSONObject, ...] | None = None) -> UserMessageAdded:
    """The event of somebody writing this now."""
    return UserMessageAdded(message=message, timestamp=as_text(utc_now()), content=content)


def message_at(
    due_at: datetime | None, message: str, content: tuple[JSONObject, ...] | None = None
) -> UserMessageAdded | MessageScheduled:
    """The event of somebody writing this now, for `due_at` if that is given."""
    if due_at is None:
        return user_message(message, content)
    # Random from its beginning on, which is what people type.
    return MessageScheduled(
        schedule_id=str(uuid4()), message=message, due_at=as_text(due_at), content=content
    )
