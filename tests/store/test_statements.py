"""Short statements: the answers of psycopg's own cursors, by a shorter way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messagedb_agent.store.statements import StoreConnection, array, ask
from tests.waiting import wait_until

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
EVERYTHING = """
    SELECT $1::text, $2::bigint, $3::text, '2026-11-21 08:30:00.25'::timestamp, 1.5::float8, true,
           NULL::text
"""


@pytest.fixture
def connection(message_db: dict[str, Any]) -> Iterator[StoreConnection]:
    with StoreConnection.connect(autocommit=True, **message_db) as opened:
        yield opened


@pytest.fixture
def anybodys(message_db: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(**message_db) as opened:
        yield opened


def test_rows_are_those_of_a_cursor(
    connection: StoreConnection, anybodys: psycopg.Connection[Any]
) -> None:
    parameters = ("a 'text' with \\ and ☃", 2**62, None)

    rows = ask(connection, EVERYTHING, *parameters)

    assert rows == psycopg.RawCursor(anybodys).execute(EVERYTHING, parameters).fetchall()


def test_a_connection_of_somebody_else_answers_too(anybodys: psycopg.Connection[Any]) -> None:
    assert ask(anybodys, "SELECT $1::bigint + 1", 1) == [(2,)]


@given(texts=st.lists(TEXTS | st.none()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_array_arrives_as_it_was(connection: StoreConnection, texts: list[str | None]) -> None:
    rows = ask(connection, "SELECT * FROM unnest($1::text[])", array(texts))

    assert [text for (text,) in rows] == texts


def test_a_text_that_would_be_cut_short_is_refused(connection: StoreConnection) -> None:
    with pytest.raises(psycopg.DataError, match="NUL"):
        ask(connection, "SELECT $1::text", "before\0after")


def test_a_text_of_any_length_gets_there(connection: StoreConnection) -> None:
    long = "x" * 20_000_000

    assert ask(connection, "SELECT length($1::text)", long) == [(len(long),)]


def test_an_error_has_its_class_and_leaves_the_connection_usable(
    connection: StoreConnection,
) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero) as raised:
        ask(connection, "SELECT 1 / $1::bigint", 0)

    assert raised.value.sqlstate == "22012"
    assert ask(connection, "SELECT 1 / $1::bigint", 1) == [(1,)]


def test_a_statement_that_can_not_be_prepared_is_no_other_one_later(
    connection: StoreConnection,
) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        ask(connection, "SELECT * FROM nothing_of_that_name")

    assert ask(connection, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("thrown_away_by", ["DEALLOCATE ALL", "DISCARD ALL"])
def test_what_was_prepared_may_be_thrown_away_by_anybody(
    connection: StoreConnection, thrown_away_by: str
) -> None:
    ask(connection, "SELECT $1::bigint", 1)
    connection.execute(thrown_away_by.encode())

    assert ask(connection, "SELECT $1::bigint", 2) == [(2,)]


def test_within_a_transaction_that_fails_it_and_the_next_one_goes_well(
    connection: StoreConnection,
) -> None:
    ask(connection, "SELECT $1::bigint", 1)
    connection.execute("DEALLOCATE ALL")

    with (
        connection.transaction(force_rollback=True),
        pytest.raises(psycopg.errors.InvalidSqlStatementName),
    ):
        ask(connection, "SELECT $1::bigint", 2)

    with connection.transaction():
        assert ask(connection, "SELECT $1::bigint", 3) == [(3,)]


def test_what_is_asked_within_a_transaction_ends_with_it(connection: StoreConnection) -> None:
    connection.execute("CREATE TEMP TABLE kept (number bigint)")
    with connection.transaction(force_rollback=True):
        ask(connection, "INSERT INTO kept VALUES ($1)", 1)

    assert ask(connection, "SELECT count(*) FROM kept") == [(0,)]


def test_a_connection_that_the_server_ends_is_known_to_be_broken(
    connection: StoreConnection, anybodys: psycopg.Connection[Any]
) -> None:
    anybodys.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

    with pytest.raises(psycopg.OperationalError):
        ask(connection, "SELECT 1")

    assert connection.broken


def test_an_interruption_cancels_what_the_server_does(
    connection: StoreConnection, message_db: dict[str, Any]
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        running = "SELECT FROM pg_stat_activity WHERE pid = %s AND query LIKE '%%pg_sleep%%'"
        with psycopg.connect(autocommit=True, **message_db) as other:
            pid = connection.info.backend_pid
            wait_until(lambda: other.execute(running, (pid,)).rowcount)
        signal.pthread_kill(main, signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            ask(connection, "SELECT pg_sleep($1::bigint)", 60)
    finally:
        interrupting.join()
        signal.signal(signal.SIGINT, before)

    assert ask(connection, "SELECT 1") == [(1,)]
