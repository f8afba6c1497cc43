"""Makes room for archived threads, at most once."""

from __future__ import annotations

from importlib import resources
from typing import Any

import psycopg

_LOCK = (0x4D444220, 5)


def install_archive(connection: psycopg.Connection[Any]) -> None:
    """
    Make sure that threads can be archived; raises psycopg errors as they come.

    The guard that keeps threads from beginning beside archived ones comes with the first
    archiving: where nobody archives, Message DB's table stays as it was.
    """
    with connection.transaction(), psycopg.RawCursor(connection) as cursor:
        row = cursor.execute(
            "SELECT to_regprocedure('messagedb_agent.refuse_archived()') IS NOT NULL"
        ).fetchone()
        if row == (True,):
            return
        # Two processes that create it at once would collide in the catalogue.
        cursor.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK)
        cursor.execute(archive_sql())
        cursor.execute(_read("guard.sql"))


def archive_sql() -> bytes:
    """The statements that create tables and views, and do nothing where they are."""
    return _read("archive.sql")


def _read(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()
