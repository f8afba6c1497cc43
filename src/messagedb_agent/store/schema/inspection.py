"""What a database holds of the Message DB interface, and whose work it is. Changes nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import tuple_row

FUNCTIONS = (
    "acquire_lock(character varying)",
    "cardinal_id(character varying)",
    "category(character varying)",
    (
        "get_category_messages("
        "character varying, bigint, bigint, character varying, bigint, bigint, character varying)"
    ),
    "get_last_stream_message(character varying, character varying)",
    "get_stream_messages(character varying, bigint, bigint, character varying)",
    "hash_64(character varying)",
    "id(character varying)",
    "is_category(character varying)",
    "message_store_version()",
    "stream_version(character varying)",
    "write_message(character varying, character varying, character varying, jsonb, jsonb, bigint)",
)
"""The twelve functions, as PostgreSQL spells their signatures."""

MARK = "Message DB interface by messagedb-agent, revision {}"
"""The comment on the table of messages that tells our installation from a genuine one."""


@dataclass(frozen=True, slots=True)
class Findings:
    """One look at a database. `mark` is the comment on the table of messages."""

    has_table: bool
    mark: str | None
    functions: frozenset[str]

    @property
    def revision(self) -> int | None:
        """The revision of our own SQL, or `None` where it is not ours."""
        found = re.fullmatch(MARK.format(r"(\d+)"), self.mark or "")
        return int(found[1]) if found else None

    @property
    def missing(self) -> tuple[str, ...]:
        """The functions of the interface that are not there."""
        return tuple(name for name in FUNCTIONS if name not in self.functions)

    @property
    def is_empty(self) -> bool:
        """Nothing of the interface is there, so nothing can be overwritten."""
        return not self.has_table and self.functions.isdisjoint(FUNCTIONS)


def look(connection: psycopg.Connection[Any]) -> Findings:
    """Read the catalogue, which every user may: one round trip, no rights in the schema needed."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(
            """
            SELECT
              t.oid IS NOT NULL,
              obj_description(t.oid, 'pg_class'),
              ARRAY(
                SELECT format('%s(%s)', p.proname, oidvectortypes(p.proargtypes))
                FROM pg_proc AS p WHERE p.pronamespace = n.oid
              )
            FROM (VALUES ('message_store')) AS wanted (nspname)
            LEFT JOIN pg_namespace AS n USING (nspname)
            LEFT JOIN pg_class AS t ON t.relnamespace = n.oid AND t.relname = 'messages'
            """
        ).fetchone()
    assert row is not None, "a list of one value has one row"
    has_table, mark, functions = row
    return Findings(has_table, mark, frozenset(functions))


def missing_functions(connection: psycopg.Connection[Any]) -> tuple[str, ...]:
    """The signatures of the Message DB functions that the database lacks; empty if none."""
    return look(connection).missing


def installed_revision(connection: psycopg.Connection[Any]) -> int | None:
    """The revision of our own SQL; `None` if nothing, or a genuine Message DB, is installed."""
    return look(connection).revision


def installed_version(connection: psycopg.Connection[Any]) -> str | None:
    """The version of the interface, as the database itself says; `None` if it can not tell."""
    if "message_store_version()" in missing_functions(connection):
        return None
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute("SELECT message_store.message_store_version()").fetchone()
    return row[0] if row else None
