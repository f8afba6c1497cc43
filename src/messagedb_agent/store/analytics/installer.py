"""Puts the analytics views into a database, at most once for each revision of them."""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors
from psycopg.rows import tuple_row

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.store.archive.installer import archive_sql

REVISION = 3
"""Raise it with every change of the SQL files: older views are then replaced."""

VIEWS = ("threads", "turns", "runs", "steps", "tool_calls", "approvals", "usage")
"""Their names in the schema `messagedb_agent`, those that use others first."""

_FILES = (
    "10_values.sql",
    "20_usage.sql",
    "30_tool_calls.sql",
    "40_steps.sql",
    "50_approvals.sql",
    "60_turns.sql",
    "65_runs.sql",
    "70_threads.sql",
    "80_privileges.sql",
)
_MARK = "messagedb-agent analytics, revision {}"
_LOCK = (0x4D444220, 4)


def views_revision(connection: psycopg.Connection[Any]) -> int | None:
    """The revision of the views that are there; None when they are not, or not all of them."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        rows = cursor.execute(
            """
            SELECT c.relname, obj_description(c.oid, 'pg_class') FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = 'messagedb_agent' AND c.relkind = 'v' AND c.relname = ANY (%s)
            """,
            (list(VIEWS),),
        ).fetchall()
    comments: dict[str, str | None] = dict(rows)
    mark = re.search(_MARK.format(r"(\d+)"), comments.get("threads") or "")
    return int(mark[1]) if mark and len(comments) == len(VIEWS) else None


def install_views(connection: psycopg.Connection[Any]) -> bool:
    """
    Make sure that the views are there in this revision or a newer one; true if that took work.

    Safe to call again, and from several processes at once. Needs the table of messages.
    """
    if _is_settled(connection):
        return False
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", _LOCK)
            # Another installer may have been first.
            if _is_settled(connection):
                return False
            _replace(connection)
    except errors.InsufficientPrivilege as error:
        raise StoreUnavailableError(
            f"user {connection.info.user} may not create the analytics views in database "
            f"{connection.info.dbname} ({error.diag.message_primary}); ask an administrator for "
            "GRANT CREATE ON DATABASE, or to run `./cli db install --views`"
        ) from error
    except errors.DependentObjectsStillExist as error:
        raise StoreUnavailableError(
            f"the analytics views can not be replaced: {error.diag.message_detail}; drop what "
            "depends on them first"
        ) from error
    return True


def _is_settled(connection: psycopg.Connection[Any]) -> bool:
    revision = views_revision(connection)
    return revision is not None and revision >= REVISION


def _replace(connection: psycopg.Connection[Any]) -> None:
    # The views are about archived threads, too.
    connection.execute(archive_sql())
    for name in VIEWS:
        # Not CASCADE: what somebody built on a view is theirs.
        connection.execute(f"DROP VIEW IF EXISTS messagedb_agent.{name}".encode())
    for name in _FILES:
        connection.execute(resources.files(__package__).joinpath(name).read_bytes())
    connection.execute(
        f"COMMENT ON VIEW messagedb_agent.threads IS "
        f"'Threads, as `list` shows them ({_MARK.format(REVISION)})'".encode()
    )
