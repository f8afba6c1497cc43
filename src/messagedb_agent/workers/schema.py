"""Puts the queue into a database: Procrastinate's schema and ours, in a schema of their own."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import Any

import psycopg
from psycopg import errors, sql

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.store.quick import PsycopgQueries
from messagedb_agent.store.shards import categories
from messagedb_agent.workers.queue import INSTALLATION_LOCK

SCHEMA = "agent_queue"
"""Apart from `public`, where an application may have a Procrastinate of its own."""

_LIVE = """
    SELECT count(*) FROM agent_queue.procrastinate_workers
    WHERE last_heartbeat > now() - interval '15 seconds'
"""

_KNOWN = """
    SELECT stream_name, queue_name FROM agent_queue.threads AS thread
    WHERE EXISTS (
        SELECT FROM agent_queue.procrastinate_jobs AS job
        WHERE job.lock = thread.stream_name AND job.status IN ('todo', 'doing'))
"""

# Threads that were left to workers before there was a queue, and wait since. Those that a
# person drives are none of a worker's business: it may have other tools and permissions.
_LEFT_TO_WORKERS = """
    SELECT stream_name, queue_name FROM (
        SELECT DISTINCT ON (stream_name) stream_name, metadata ->> 'queue' AS queue_name
        FROM message_store.messages
        WHERE message_store.category(stream_name) = ANY (%s)
        ORDER BY stream_name, position DESC
    ) AS last WHERE queue_name IS NOT NULL
"""


def install(connection: psycopg.Connection[Any], category: str) -> str | None:
    """
    Make sure that the database has the queue; returns a note for the operator, if any.

    When it had none, the threads of `category` that were left to workers are queued. An older
    queue is replaced, keeping its hints, unless workers are using it. Safe to call from
    several processes at once.
    """
    mark = f"messagedb-agent queue {_fingerprint()}"
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", INSTALLATION_LOCK)
            found = _mark(connection)
            if found == mark:
                return None
            if found is None:
                _apply(connection, mark)
                names = list(categories(PsycopgQueries(connection), category))
                _hint_all(connection, connection.execute(_LEFT_TO_WORKERS, (names,)).fetchall())
                return None
            if _scalar(connection, _LIVE):
                return "the queue was made by another version; it is renewed once no worker runs"
            known = connection.execute(_KNOWN).fetchall()
            threads = connection.execute("SELECT * FROM agent_queue.threads").fetchall()
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(SCHEMA)))
            _apply(connection, mark)
            _insert_threads(connection, threads)
            _hint_all(connection, known)
            return None
    except errors.InsufficientPrivilege as error:
        raise StoreUnavailableError(
            f"user {connection.info.user} may not create the schema {SCHEMA} for the queue "
            f"({error.diag.message_primary}); ask an administrator for GRANT CREATE ON DATABASE"
        ) from error


def _fingerprint() -> str:
    return hashlib.sha256((_procrastinate() + _ours()).encode()).hexdigest()[:16]


def _procrastinate() -> str:
    return resources.files("procrastinate.sql").joinpath("schema.sql").read_text("utf-8")


def _ours() -> str:
    return resources.files(__package__).joinpath("queue.sql").read_text("utf-8")


def _mark(connection: psycopg.Connection[Any]) -> str | None:
    """The comment on the schema; empty where it has none, None where there is no schema."""
    query = "SELECT coalesce(obj_description(oid), '') FROM pg_namespace WHERE nspname = %s"
    row = connection.execute(query, (SCHEMA,)).fetchone()
    return None if row is None else str(row[0])


def _apply(connection: psycopg.Connection[Any], mark: str) -> None:
    name = sql.Identifier(SCHEMA)
    before = _scalar(connection, "SHOW search_path")
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
    connection.execute(_procrastinate().encode())
    connection.execute(_ours().encode())
    connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(name, sql.Literal(mark)))
    connection.execute("SELECT set_config('search_path', %s, true)", (before,))


def _insert_threads(connection: psycopg.Connection[Any], threads: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO agent_queue.threads VALUES (%s, %s)", threads)


def _hint_all(connection: psycopg.Connection[Any], threads: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("SELECT agent_queue.hint(%s, %s)", threads)


def _scalar(connection: psycopg.Connection[Any], query: str) -> Any:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None, "the query has one row"
    return row[0]
