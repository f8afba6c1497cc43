"""Where events go that a handler could not handle."""

from __future__ import annotations

from uuid import UUID, uuid5

from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.registry import register
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.positions import ConsumerName

_LETTERS = UUID("0e1e1c43-28a4-4c1f-a3c7-3f2c3f6b7a11")
_LONGEST_REASON = 2000


@register
class EventSkipped(Event, frozen=True, kw_only=True):
    """A consumer gave up on an event, which stays where it is."""

    consumer: str
    event_id: str
    event_type: str
    event_stream_name: str
    event_position: int
    event_global_position: int
    reason: str
    attempts: int


class DeadLetters:
    """The dead-letter stream of one consumer, as in `agent:v0+dead-printer`."""

    def __init__(self, store: MessageDBClient, consumer: ConsumerName) -> None:
        self._store = store
        self._consumer = consumer
        self.stream_name = consumer.stream_name("dead")

    def add(self, record: RecordedEvent, reason: str, attempts: int) -> None:
        """Record that the event was skipped; once, however often it is said."""
        event = EventSkipped(
            consumer=self._consumer.instance,
            event_id=record.id,
            event_type=record.type,
            event_stream_name=record.stream_name,
            event_position=record.position,
            event_global_position=record.global_position,
            reason=reason[:_LONGEST_REASON],
            attempts=attempts,
        )
        # The same id again, if the process dies before the position is saved.
        letter_id = str(uuid5(_LETTERS, f"{self.stream_name} {record.id}"))
        self._store.append(self.stream_name, [NewEvent(event=event, id=letter_id)])
