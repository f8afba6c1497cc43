"""Runs calls inside the server and records everything that a client could tell apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg

Outcome: TypeAlias = dict[str, Any]
"""Rows, or SQLSTATE and texts of the error; and the advisory locks held afterwards."""

# One round trip for a whole list of calls, each in a subtransaction of its own. The time of a
# message differs from run to run: only whether it is the transaction's own time, in UTC, is kept.
_PROBE = r"""
CREATE FUNCTION pg_temp.probe(call text) RETURNS json AS $$
DECLARE
  result jsonb;
  state text; message text; detail text; hint text;
BEGIN
  BEGIN
    EXECUTE 'SELECT coalesce(jsonb_agg(to_jsonb(r)), ''[]'') FROM (' || call || ') AS r'
      INTO result;
    result := jsonb_build_object('rows', result);
  EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
      detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    result := jsonb_build_object(
      'state', state, 'message', message, 'detail', detail, 'hint', hint
    );
  END;
  -- Once as JSON spells it, once as the detail of an error does.
  result := replace(result::text, to_json(now() AT TIME ZONE 'utc')::text, '"NOW"')::jsonb;
  result := replace(result::text, (now() AT TIME ZONE 'utc')::text, 'NOW')::jsonb;
  -- Slow, so not after reads: a lock taken by one of those is still held after the next write.
  IF call ~ 'write_message|acquire_lock' THEN
    result := result || jsonb_build_object('locks', (
      SELECT coalesce(jsonb_agg(jsonb_build_array(classid, objid, objsubid, mode)
                                ORDER BY classid, objid), '[]')
      FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
    ));
  END IF;
  RETURN result;
END
$$ LANGUAGE plpgsql
"""


def prepare(connection: psycopg.Connection[Any]) -> None:
    """Make the connection ready for `record`, inside a transaction that is never committed."""
    # The genuine functions find one another by the search path only.
    connection.execute("SET LOCAL search_path TO message_store, public")
    connection.execute(_PROBE)


def record(connection: psycopg.Connection[Any], calls: Sequence[str]) -> list[Outcome]:
    """Run the calls one after the other, from an empty table on, and say what came of each."""
    connection.execute("TRUNCATE message_store.messages RESTART IDENTITY")
    rows = connection.execute(
        "SELECT pg_temp.probe(call)"
        " FROM unnest(%s::text[]) WITH ORDINALITY AS c (call, n) ORDER BY n",
        (list(calls),),
    ).fetchall()
    return [outcome for (outcome,) in rows]


def first_difference(
    calls: Sequence[str], ours: Sequence[Outcome], theirs: Sequence[Outcome]
) -> str | None:
    """The first call that ended differently, told so that it can be repeated by hand."""
    assert len(calls) == len(ours) == len(theirs)
    for number, (call, one, other) in enumerate(zip(calls, ours, theirs, strict=True)):
        if one != other:
            return f"call {number}: {call}\n  ours:   {one}\n  theirs: {other}"
    return None


@contextmanager
def rolled_back(dsn: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A connection whose transaction leaves nothing behind."""
    with psycopg.connect(dsn) as connection:
        try:
            yield connection
        finally:
            connection.rollback()
