"""Writing to and reading from streams over one psycopg connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any, LiteralString

import psycopg

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EncodedEvent, EventRow, encode
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE, NO_STREAM, NewEvent
from messagedb_agent.store.stream import check_stream_name

# One statement is one round trip and, outside a transaction, one commit. The functions of a
# select list are evaluated row by row and left to right, so `currval` is the global position
# of the row just written, and `now()` is what the table's default gave it as time.
_WRITE: LiteralString = """
    SELECT message_store.write_message(
               new.id, $1, new.type, new.data::jsonb, new.metadata::jsonb, new.expected::bigint),
           currval('message_store.messages_global_position_seq'),
           now() AT TIME ZONE 'utc'
    FROM ({rows}) AS new (id, type, data, metadata, expected)
"""

# Statements of up to this many events are prepared; a turn never has more. A statement has
# at most 65,535 parameters, so longer batches come as arrays.
_PREPARED_ROWS = 8
_MANY_ROWS = "SELECT * FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])"

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

_VERSION: LiteralString = "SELECT message_store.stream_version($1)"


def append_events(
    connection: psycopg.Connection[Any],
    stream_name: str,
    events: Sequence[NewEvent],
    expected_version: int | None = None,
) -> tuple[RecordedEvent, ...]:
    """
    Write the events through Message DB's `write_message`, all or none, in one round trip.

    Outside a transaction they are committed; inside one they are part of it. Raises psycopg
    errors as they come.
    """
    check_stream_name(stream_name)
    if not events:
        return ()
    encoded = [encode(new.event, new.metadata) for new in events]
    # Only the first row is checked: nobody else writes between two of one statement.
    versions = [expected_version, *[None] * (len(events) - 1)]
    rows = [
        (new.id, row.type, row.data, row.metadata, version)
        for new, row, version in zip(events, encoded, versions, strict=True)
    ]
    few = len(rows) <= _PREPARED_ROWS
    parameters = chain.from_iterable(rows) if few else map(list, zip(*rows, strict=True))
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(
            _write_statement(len(rows) if few else None), [stream_name, *parameters], prepare=few
        )
        places = cursor.fetchall()
    return tuple(
        _recorded(new, row, stream_name, place)
        for new, row, place in zip(events, encoded, places, strict=True)
    )


def find_events(
    connection: psycopg.Connection[Any], stream_name: str, events: Sequence[NewEvent]
) -> tuple[RecordedEvent, ...] | None:
    """The same events as already recorded in this stream, or None unless all of them are."""
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(_FIND, ([new.id for new in events], stream_name))
        found = {row[0]: row[1:] for row in cursor.fetchall()}
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
    batch_size: int = DEFAULT_BATCH_SIZE,
) -> list[EventRow]:
    """Up to `batch_size` rows from a position on, by `get_stream_messages`."""
    check_stream_name(stream_name)
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(_READ, (stream_name, position, batch_size), prepare=True)
        return [EventRow._make(row) for row in cursor.fetchall()]


def stream_version(connection: psycopg.Connection[Any], stream_name: str) -> int:
    """The position of the last event, or `NO_STREAM`, by Message DB's `stream_version`."""
    check_stream_name(stream_name)
    with psycopg.RawCursor(connection) as cursor:
        row = cursor.execute(_VERSION, (stream_name,)).fetchone()
    return NO_STREAM if row is None or row[0] is None else int(row[0])


def streams_with(
    connection: psycopg.Connection[Any], types: Collection[str], after: Mapping[str, int]
) -> frozenset[str]:
    """The streams that have an event of one of these types after the position given for each."""
    with psycopg.RawCursor(connection) as cursor:
        values = (list(after), list(after.values()), list(types))
        return frozenset(row[0] for row in cursor.execute(_STREAMS_WITH, values, prepare=True))


@cache
def _write_statement(count: int | None) -> bytes:
    if count is None:
        return _WRITE.replace("{rows}", _MANY_ROWS).encode()
    columns = ("text", "text", "text", "text", "bigint")
    rows = (
        ", ".join(
            f"${row * len(columns) + place}::{kind}" for place, kind in enumerate(columns, start=2)
        )
        for row in range(count)
    )
    return _WRITE.replace("{rows}", "VALUES " + ", ".join(f"({row})" for row in rows)).encode()


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
