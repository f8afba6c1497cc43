"""The transaction that a tool works in: guarded from the tool, and ended when its time is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from math import ceil, inf
from typing import Any

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus

from messagedb_agent.engine.jobs import Job
from messagedb_agent.engine.threads import POLL_SECONDS, start
from messagedb_agent.errors import ToolError
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.connections import STATEMENT_TIMEOUT_SECONDS
from messagedb_agent.store.faults import is_connection_lost, is_worth_repeating
from messagedb_agent.store.patience import hang_up

CANCEL_SECONDS = 1.0
"""How long the server is given to stop a statement, before its session is ended anyway."""

_IDENTITY = "SELECT pg_current_xact_id()::text"

# While the row is there, a COMMIT fails and rolls back: deferred triggers are the last to be asked.
# All of it is in the session's own temporary schema, so no database has to be prepared for it.
_FORBID_COMMIT = """
    DO $guard$
    BEGIN
        IF to_regclass('pg_temp.messagedb_agent_guard') IS NULL THEN
            CREATE TEMPORARY TABLE messagedb_agent_guard (here boolean) ON COMMIT DELETE ROWS;
            CREATE FUNCTION pg_temp.messagedb_agent_guard() RETURNS trigger
            LANGUAGE plpgsql AS $function$
            BEGIN
                IF EXISTS (SELECT FROM pg_temp.messagedb_agent_guard) THEN
                    RAISE EXCEPTION 'a tool can not end its transaction itself';
                END IF;
                RETURN NULL;
            END $function$;
            CREATE CONSTRAINT TRIGGER guard AFTER INSERT ON pg_temp.messagedb_agent_guard
            DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION pg_temp.messagedb_agent_guard();
        END IF;
        INSERT INTO pg_temp.messagedb_agent_guard VALUES (true);
    END $guard$
"""
# What is left to do may have to wait for the category lock, however little time the tool has.
_ALLOW_COMMIT = """
    WITH allowed AS (DELETE FROM pg_temp.messagedb_agent_guard)
    SELECT set_config('statement_timeout', %(time)s, true),
           set_config('idle_in_transaction_session_timeout', %(time)s, true)
"""


class ToolTransaction:
    """
    One attempt of a transactional tool.

    psycopg refuses `commit()` and `rollback()` inside its transaction block. A COMMIT sent as
    text fails until `verify` has passed, and after a ROLLBACK the session takes no writes.
    """

    def __init__(self, connection: psycopg.Connection[Any], timeout: float) -> None:
        self.connection = connection
        milliseconds = sql.Literal(0 if timeout == inf else ceil(timeout * 1000))
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(
                sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(setting), milliseconds)
            )
        connection.execute(_FORBID_COMMIT)
        self._identity = self._current()

    def verify(self) -> None:
        """Raise `ToolError` unless the transaction is the one that was opened."""
        if self.connection.info.transaction_status == TransactionStatus.INERROR:
            raise ToolError("A statement of the tool failed, so its transaction was rolled back.")
        if self._current() != self._identity:
            raise ToolError(
                "The tool ended its transaction itself, which it must not do; all was rolled back."
            )
        self.connection.execute(_ALLOW_COMMIT, {"time": f"{STATEMENT_TIMEOUT_SECONDS}s"})

    def _current(self) -> str:
        row = self.connection.execute(_IDENTITY).fetchone()
        return str(row[0]) if row else ""


@contextmanager
def tool_transaction(store: EventStore, job: Job) -> Iterator[ToolTransaction]:
    """
    A transaction in the store's database that commits when the block ends well.

    While the block runs, the transaction ends with the job if that is given up, whatever its
    thread is doing. Raises `ToolError` when the store has no database.
    """
    with store.transaction() as connection:
        if connection is None:
            raise ToolError("This tool needs a database, and this event store has none.")
        if job.expire():
            raise ToolError("There was no connection for this tool in time.")
        with _cut_off_with(job, connection):
            yield ToolTransaction(connection, job.timeout)


@contextmanager
def _cut_off_with(job: Job, connection: psycopg.Connection[Any]) -> Iterator[None]:
    """
    End the connection when the job is given up in the block.

    The engine's thread may be unable to: it waits for the category lock, perhaps, which this
    very transaction holds since it wrote an event.
    """
    over, mutex = threading.Event(), threading.Lock()

    def watch() -> None:
        while not over.wait(min(POLL_SECONDS, max(0.0, job.seconds_left))):
            if job.expire():
                with mutex:
                    if not over.is_set():
                        _cut_off(connection)
                return

    start(watch)
    try:
        yield
    finally:
        # From here on the connection is to be somebody else's.
        with mutex:
            over.set()


def _cut_off(connection: psycopg.Connection[Any]) -> None:
    # A server that is busy with a statement does not notice that nobody listens any more.
    with suppress(psycopg.Error):
        connection.cancel_safe(timeout=CANCEL_SECONDS)
    hang_up(connection)


def database_error(error: BaseException) -> psycopg.Error | None:
    """The database's complaint behind an error, if that is what it comes from."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, psycopg.Error):
            return seen
        seen = seen.__cause__
    return None


def is_worth_another_try(error: BaseException) -> bool:
    """Whether all was rolled back for a reason that has nothing to do with the tool."""
    found = database_error(error)
    return found is not None and is_worth_repeating(found)


def is_undecided(error: BaseException) -> bool:
    """Whether only the stream can tell if the transaction was committed."""
    found = database_error(error)
    return found is not None and is_connection_lost(found)
