"""
Snapshots: states of projections, kept so that long streams need not be folded from the start.

They are rows of `messagedb_agent.snapshots`, a table that is made when it is first needed, one
for each stream and projection. All of them may be deleted at any time; what they save is time.
"""

from __future__ import annotations

from functools import cache
from typing import Any, LiteralString, TypeVar

import msgspec
import psycopg
from psycopg import errors

from messagedb_agent.errors import AgentError
from messagedb_agent.events.first_look import ONE_BY_ONE
from messagedb_agent.projections.base import Projected, Projection
from messagedb_agent.store.base import EventStore

S = TypeVar("S")

# A stream that was deleted and begun again has another event at the position.
_LOAD: LiteralString = """
    SELECT kept.position, kept.state
    FROM messagedb_agent.snapshots AS kept
    JOIN message_store.messages AS event
      ON event.stream_name = kept.stream_name AND event.position = kept.position
     AND event.id = kept.event_id
    WHERE kept.stream_name = $1 AND kept.projection = $2 AND kept.projection_version = $3
"""

_SAVE: LiteralString = """
    INSERT INTO messagedb_agent.snapshots
        (stream_name, projection, projection_version, position, event_id, state)
    SELECT $1, $2, $3, position, id, $5
    FROM message_store.messages WHERE stream_name = $1 AND position = $4
    ON CONFLICT (stream_name, projection) DO UPDATE SET
        projection_version = excluded.projection_version, position = excluded.position,
        event_id = excluded.event_id, state = excluded.state, updated_at = now()
"""

# Two processes that create it at once would collide in the catalogue, so they take turns.
_CREATE: LiteralString = """
    SELECT pg_advisory_xact_lock(1296319008, 3);
    CREATE SCHEMA IF NOT EXISTS messagedb_agent;
    CREATE TABLE IF NOT EXISTS messagedb_agent.snapshots (
        stream_name text NOT NULL,
        projection text NOT NULL,
        projection_version bigint NOT NULL,
        position bigint NOT NULL,
        event_id uuid NOT NULL,
        state bytea NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (stream_name, projection)
    )
"""

_MISSING = (errors.UndefinedTable, errors.InvalidSchemaName)


def encode_state(state: Any) -> bytes:
    """A state as MessagePack. Raises what msgspec raises for values it can't write."""
    return msgspec.msgpack.encode(state)


def decode_state(kind: type[S], data: bytes) -> S:
    """The state that `encode_state` wrote. Raises `ValidationError` when it has another shape."""
    hashable: Any = kind
    state: S = _decoder(hashable).decode(data)
    return state


@cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    with ONE_BY_ONE:
        return msgspec.msgpack.Decoder(kind)


def load_snapshot(
    store: EventStore, stream_name: str, projection: Projection[S]
) -> Projected[S] | None:
    """The state kept last; None when there is none that this version of the projection can use."""
    try:
        with store.connection() as connection:
            if connection is None:
                return None
            key = (stream_name, projection.name, projection.version)
            row = _run(connection, _LOAD, *key).fetchone()
        if row is None:
            return None
        position, state = row
        return Projected(projection, decode_state(type(projection.initial), state), position)
    except (AgentError, psycopg.Error, msgspec.MsgspecError):
        return None


def save_snapshot(store: EventStore, stream_name: str, projected: Projected[Any]) -> bool:
    """
    Keep a state in place of the one kept before; False where that can't be done.

    A user without the right to create the table, and a state with values that MessagePack
    has no form for (integers of more than 64 bits), are no failures.
    """
    try:
        state = encode_state(projected.state)
    except (OverflowError, UnicodeEncodeError, TypeError):
        return False
    projection = projected.projection
    row = (stream_name, projection.name, projection.version, projected.version, state)
    try:
        try:
            return _save(store, row)
        except _MISSING:
            with store.transaction() as connection:
                if connection is not None:
                    connection.execute(_CREATE)
            return _save(store, row)
    except (AgentError, psycopg.Error):
        return False


def _save(store: EventStore, row: tuple[object, ...]) -> bool:
    with store.transaction() as connection:
        return connection is not None and _run(connection, _SAVE, *row).rowcount == 1


def _run(
    connection: psycopg.Connection[Any], query: LiteralString, *parameters: object
) -> psycopg.Cursor[Any]:
    return psycopg.RawCursor(connection).execute(query, parameters, binary=True)
