"""Writing to and reading from streams over one psycopg connection."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import chain
from typing import Any, LiteralString, NamedTuple

import psycopg

from messagedb_agent.events.base import RecordedEvent, UnknownEvent
from messagedb_agent.events.codec import EncodedEvent, EventRow, encode
from messagedb_agent.store.base import NO_STREAM, NewEvent
from messagedb_agent.store.statements import array, ask
from messagedb_agent.store.stream import check_stream_name

# One statement is one round trip and, outside a transaction, one commit. The functions of a
# select list are evaluated row by row and left to right, so `currval` is the global position
# of the row just written, and `now()` is what the table's default gave it as time.
_WRITE: LiteralString = """
    SELECT message_store.write_message(
               new.id, new.stream_name, new.type, new.data::jsonb, new.metadata::jsonb,
               new.expected::bigint),
           currval('message_store.messages_global_position_seq'),
           now() AT TIME ZONE 'utc'
    FROM ({rows}) AS new (stream_name, id, type, data, metadata, expected)
"""
_COLUMNS = ("text", "text", "text", "text", "text", "bigint")

# Statements of up to this many events are prepared for each number of them; a turn never has
# more. A statement has at most 65,535 parameters, so longer batches come as arrays.
_FEW_ROWS = 8
_MANY_ROWS: LiteralString = """
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
"""

_READ: LiteralString = """
    SELECT id, stream_name, type, position, global_position, data, metadata, time
    FROM message_store.get_stream_messages($1, $2, $3)
"""

_FIND: LiteralString = """
    SELECT id::text, position, global_position, time
    FROM message_store.messages WHERE id = ANY($1::uuid[]) AND stream_name = $2
    ORDER BY position
"""

_STREAMS_WITH: LiteralString = """
    SELECT known.stream_name
    FROM unnest($1::text[], $2::bigint[]) AS known (stream_name, position)
    CROSS JOIN LATERAL (
        SELECT FROM message_store.messages AS message
        WHERE message.stream_name = known.stream_name AND message.position > known.position
            AND message.type = ANY ($3::text[])
        LIMIT 1
    ) AS found
"""

_WARM_UP = "warmUp:v0-session"

_VERSION: LiteralString = "SELECT message_store.stream_version($1)"


class Batch(NamedTuple):
    """Events for one stream, as they are and as `write_message` takes them."""

    stream_name: str
    events: Sequence[NewEvent]
    encoded: Sequence[EncodedEvent]
    expected_version: int | None = None

    @classmethod
    def of(
        cls, stream_name: str, events: Sequence[NewEvent], expected_version: int | None = None
    ) -> Batch:
        """
        The events, encoded. Raises `EncodingError` for what is not JSON, and
        `InvalidStreamNameError` for a name that no stream can have.
        """
        check_stream_name(stream_name)
        encoded = [encode(new.event, new.metadata, new.data_text) for new in events]
        return cls(stream_name, events, encoded, expected_version)

    @property
    def characters(self) -> int:
        """How much there is to write, about."""
        return sum(len(row.data) for row in self.encoded)


def append_events(
    connection: psycopg.Connection[Any], *batches: Batch
) -> list[tuple[RecordedEvent, ...]]:
    """
    Write the batches through Message DB's `write_message`, all or none, in one round trip.

    Outside a transaction they are committed; inside one they are part of it. Raises psycopg
    errors as they come.
    """
    rows = [row for batch in batches for row in _rows(batch)]
    if not rows:
        return [() for _ in batches]
    few = len(rows) <= _FEW_ROWS
    parameters = chain.from_iterable(rows) if few else map(array, zip(*rows, strict=True))
    places = iter(ask(connection, _write_statement(len(rows) if few else None), *parameters))
    return [
        tuple(
            _recorded(new, row, batch.stream_name, next(places))
            for new, row in zip(batch.events, batch.encoded, strict=True)
        )
        for batch in batches
    ]


def _rows(batch: Batch) -> Iterator[tuple[Any, ...]]:
    # Only the first row is checked: nobody else writes between two of one statement.
    expected = batch.expected_version
    for new, row in zip(batch.events, batch.encoded, strict=True):
        yield (batch.stream_name, new.id, row.type, row.data, row.metadata, expected)
        expected = None


def warm_up(connection: psycopg.Connection[Any]) -> None:
    """
    Have a new session compile Message DB's functions, which takes it as long as several turns.

    What is written for that is rolled back at once.
    """
    written = Batch.of(_WARM_UP, [NewEvent(event=UnknownEvent(type_name="WarmUp", data={}))])
    # Where it fails, whoever uses the session is told why.
    with suppress(psycopg.Error):
        with connection.transaction(force_rollback=True):
            append_events(connection, written)
        read_page(connection, _WARM_UP, 0, 1)


def find_events(
    connection: psycopg.Connection[Any], stream_name: str, events: Sequence[NewEvent]
) -> tuple[RecordedEvent, ...] | None:
    """The same events as already recorded in this stream, or None unless all of them are."""
    rows = ask(connection, _FIND, array(new.id for new in events), stream_name)
    found = {row[0]: row[1:] for row in rows}
    if any(new.id not in found for new in events):
        return None
    return tuple(
        _recorded(new, encode(new.event, new.metadata), stream_name, found[new.id])
        for new in events
    )


def read_page(
    connection: psycopg.Connection[Any],
    stream_name: str,
    position: int,
    batch_size: int,
) -> list[EventRow]:
    """Up to `batch_size` rows from a position on, by `get_stream_messages`."""
    check_stream_name(stream_name)
    rows = ask(connection, _READ, stream_name, position, batch_size)
    return [EventRow._make(row) for row in rows]


def stream_version(connection: psycopg.Connection[Any], stream_name: str) -> int:
    """The position of the last event, or `NO_STREAM`, by Message DB's `stream_version`."""
    check_stream_name(stream_name)
    ((version,),) = ask(connection, _VERSION, stream_name)
    return NO_STREAM if version is None else int(version)


def streams_with(
    connection: psycopg.Connection[Any], types: Collection[str], after: Mapping[str, int]
) -> frozenset[str]:
    """The streams that have an event of one of these types after the position given for each."""
    values = (array(after), array(after.values()), array(types))
    return frozenset(name for (name,) in ask(connection, _STREAMS_WITH, *values))


@cache
def _write_statement(count: int | None) -> LiteralString:
    if count is None:
        return _WRITE.replace("{rows}", _MANY_ROWS)
    rows = (
        ", ".join(
            f"${row * len(_COLUMNS) + place}::{kind}"
            for place, kind in enumerate(_COLUMNS, start=1)
        )
        for row in range(count)
    )
    return _WRITE.replace("{rows}", "VALUES " + ", ".join(f"({row})" for row in rows))


def _recorded(
    new: NewEvent,
    row: EncodedEvent,
    stream_name: str,
    place: tuple[Any, ...],
) -> RecordedEvent:
    position, global_position, time = place
    return RecordedEvent(
        id=new.id,
        event=new.event,
        stream_name=stream_name,
        position=position,
        global_position=global_position,
        time=time,
        metadata_text=row.metadata,
    )
