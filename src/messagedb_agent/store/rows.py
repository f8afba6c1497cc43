"""Rows of events as queries print them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from messagedb_agent.events.codec import EventRow


def event_row(row: Sequence[str | None]) -> EventRow:
    """A row of a `QuickConnection`, in the order of Message DB's functions."""
    event_id, stream_name, type_name, position, global_position, data, metadata, time = row
    return EventRow(
        id=str(event_id),
        stream_name=str(stream_name),
        type=str(type_name),
        position=int(position or 0),
        global_position=int(global_position or 0),
        data=data,
        metadata=metadata,
        time=datetime.fromisoformat(str(time)),
    )
