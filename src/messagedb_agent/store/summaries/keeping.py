"""What long threads add up to, kept so that lists need not read them whole each time."""

from __future__ import annotations

from collections.abc import Sequence

from messagedb_agent.errors import SchemaMissingError, StoreUnavailableError
from messagedb_agent.store.archive.reading import MESSAGES
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.summaries.parts import (
    COLUMNS,
    COUNTED,
    COUNTS,
    NAMED,
    PENDING,
    SO_FAR,
    STREAMS,
    USED,
)

NOTHING = f"json_to_recordset('[]') AS kept ({COLUMNS})"
"""For threads of which nothing is kept."""

KEEP_EVENTS = 200
"""How many events come before they are added to what is kept; a list reads fewer of a thread."""

_KEPT = "messagedb_agent.summaries AS kept"
_MARK = "messagedb-agent summaries, revision 1"

_IS_KEPT = f"""
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE nspname = 'messagedb_agent' AND relname = 'summaries'
      AND obj_description(c.oid, 'pg_class') = '{_MARK}'
      AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

_CREATE = f"""
    DO $create$
    BEGIN
      PERFORM set_config('client_min_messages', 'warning', true);
      -- Two processes that create it at once would collide in the catalogue.
      PERFORM pg_advisory_xact_lock(1296319008, 7);
      IF EXISTS ({_IS_KEPT}) THEN
        RETURN;
      END IF;
      IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'messagedb_agent') THEN
        CREATE SCHEMA messagedb_agent;
      END IF;
      DROP TABLE IF EXISTS messagedb_agent.summaries;
      CREATE TABLE messagedb_agent.summaries ({COLUMNS}, PRIMARY KEY (stream_name));
      COMMENT ON TABLE messagedb_agent.summaries IS '{_MARK}';
      IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'message_store') THEN
        GRANT USAGE ON SCHEMA messagedb_agent TO message_store;
        GRANT SELECT, INSERT, UPDATE ON messagedb_agent.summaries TO message_store;
      END IF;
    END
    $create$
"""  # noqa: S608 - made of constants

_LONG = f"""
    SELECT json_agg(wanted.stream_name)
    FROM ({{wanted}}) AS wanted
    {SO_FAR}
    CROSS JOIN LATERAL (
        SELECT position FROM {MESSAGES} WHERE stream_name = wanted.stream_name
        ORDER BY position DESC LIMIT 1
    ) AS last
    WHERE last.position - coalesce(kept.position, -1) >= {{events}}
"""  # noqa: S608 - made of constants

_NAMES = [column.split()[0] for column in COLUMNS.split(",")]
_KEEP = f"""
    INSERT INTO messagedb_agent.summaries ({", ".join(_NAMES)})
    SELECT wanted.stream_name, wanted.began, coalesce(added.position, kept.position), {COUNTS},
           asking.pending, named.name, used.usage
    FROM ({STREAMS}) AS wanted {SO_FAR} {COUNTED} {PENDING} {NAMED} {USED}
    -- In one order, so that those who do it at the same time wait for each other only.
    ORDER BY wanted.stream_name
    ON CONFLICT (stream_name) DO UPDATE
    SET ({", ".join(_NAMES)}) = ROW({", ".join(f"excluded.{name}" for name in _NAMES)})
""".format(kept=_KEPT, messages=MESSAGES)  # noqa: S608 - made of constants


def keep_up(connection: QuickConnection, wanted: str, parameters: Sequence[str | None]) -> str:
    """
    The `{kept}` of these threads, after adding to it where many events have come.

    It is nothing for a user who may not write to the database, or not read what others keep.
    """
    kept = _KEPT if connection.query(_IS_KEPT) else NOTHING
    ((long,),) = connection.query(
        _LONG.format(wanted=wanted, kept=kept, events=KEEP_EVENTS), parameters
    )
    if long is None:
        return kept
    try:
        if kept is NOTHING:
            connection.query(_CREATE)
        connection.query(_KEEP, (long,))
    except (StoreUnavailableError, SchemaMissingError):
        return kept
    return _KEPT


def forget(connection: QuickConnection) -> None:
    """
    Keep nothing any more; lists begin anew.

    Raises `StoreUnavailableError` when the database refuses.
    """
    if connection.query(_IS_KEPT):
        connection.query("TRUNCATE messagedb_agent.summaries")
