"""
How far consumers have come.

What is kept is the position of the last event that was handled, or looked at and found to be
somebody else's: the global position for a consumer of a category, the stream's own for a
consumer of one stream.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any, LiteralString, Protocol

import msgspec
import psycopg

from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import Event
from messagedb_agent.events.json_text import from_json
from messagedb_agent.store.base import NewEvent

if TYPE_CHECKING:
    from messagedb_agent.store.client import MessageDBClient

_LAST: LiteralString = "SELECT data FROM message_store.get_last_stream_message($1)"

# No "+": it separates the parts of a compound id.
_CONSUMER_ID = re.compile(r"[A-Za-z0-9_.:@=~-]{1,100}")


class ConsumerName(msgspec.Struct, frozen=True):
    """
    Whose position it is: what is read, by whom, as which member of a group.

    `source` is a category or a stream. Raises `UsageError` for an id that no stream name
    could hold.
    """

    source: str
    consumer_id: str
    member: int | None = None
    group_size: int | None = None

    def __post_init__(self) -> None:
        if not _CONSUMER_ID.fullmatch(self.consumer_id):
            raise UsageError(
                f"consumer id {self.consumer_id[:60]!r} is not usable: 1 to 100 letters, digits "
                "or any of _ . : @ = ~ -"
            )

    @property
    def instance(self) -> str:
        """The id; for a member of a group with its place in it, as in `printer:0of3`."""
        if self.member is None:
            return self.consumer_id
        return f"{self.consumer_id}:{self.member}of{self.group_size}"

    def stream_name(self, category_type: str) -> str:
        """
        The stream of this consumer in a category that belongs to the source's.

        Category types are Message DB's custom: `agent:v0` has `agent:v0+position`, and
        `account` has `account:position`.
        """
        category, _, stream_id = self.source.partition("-")
        join = "+" if ":" in category else ":"
        place = f"{stream_id}+{self.instance}" if stream_id else self.instance
        return f"{category}{join}{category_type}-{place}"


class PositionStore(Protocol):
    """Remembers positions between runs."""

    def load(self, consumer: ConsumerName) -> int | None:
        """The position saved last; None for a consumer that has none yet."""
        ...

    def save(self, consumer: ConsumerName, position: int) -> None:
        """Remember that everything up to this position was handled."""
        ...


class MemoryPositions:
    """Positions that live as long as this object: for tests, and for those who only watch."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._positions: dict[ConsumerName, int] = {}

    def load(self, consumer: ConsumerName) -> int | None:
        """The position saved last."""
        with self._mutex:
            return self._positions.get(consumer)

    def save(self, consumer: ConsumerName, position: int) -> None:
        """Remember a position."""
        with self._mutex:
            self._positions[consumer] = position


class Recorded(Event, frozen=True, kw_only=True):
    """A consumer has come this far: the event that Eventide's consumers write, too."""

    position: int


class StreamPositions:
    """
    Positions as events, in Message DB's own custom.

    A consumer `printer` of the category `agent:v0` keeps them in the stream
    `agent:v0+position-printer`; the last event counts.
    """

    def __init__(self, store: MessageDBClient) -> None:
        self._store = store

    def load(self, consumer: ConsumerName) -> int | None:
        """The position in the last event of the consumer's stream."""
        stream_name = consumer.stream_name("position")
        data = self._store.query(lambda connection: _last_data(connection, stream_name))
        return None if data is None else int(from_json(data)["position"])

    def save(self, consumer: ConsumerName, position: int) -> None:
        """Append one event."""
        event = NewEvent(event=Recorded(position=position))
        self._store.append(consumer.stream_name("position"), [event])


def _last_data(connection: psycopg.Connection[Any], stream_name: str) -> str | None:
    with psycopg.RawCursor(connection) as cursor:
        row = cursor.execute(_LAST, (stream_name,)).fetchone()
    return None if row is None else str(row[0])
