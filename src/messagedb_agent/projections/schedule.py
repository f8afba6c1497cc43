"""The messages whose time has not come yet."""

from __future__ import annotations

from typing import TypeAlias

from messagedb_agent.events.base import Event
from messagedb_agent.events.system import SessionCompleted, ThreadForked, ThreadRewound
from messagedb_agent.events.user import MessageScheduled, MessageUnscheduled, UserMessageAdded
from messagedb_agent.projections.base import Projection

Schedule: TypeAlias = tuple[MessageScheduled, ...]


def _remove(state: Schedule, event: UserMessageAdded | MessageUnscheduled) -> Schedule:
    if event.schedule_id is None:
        return state
    return tuple(each for each in state if each.schedule_id != event.schedule_id)


def _drop(_state: Schedule, _event: Event) -> Schedule:
    """An ended thread takes no messages, and another history did not schedule any."""
    return ()


SCHEDULE: Projection[Schedule] = Projection(
    name="schedule",
    version=2,
    initial=(),
    handlers={
        MessageScheduled: lambda state, event: (*state, event),
        UserMessageAdded: _remove,
        MessageUnscheduled: _remove,
        SessionCompleted: _drop,
        ThreadForked: _drop,
        ThreadRewound: _drop,
    },
)
