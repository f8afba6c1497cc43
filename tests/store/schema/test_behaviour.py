"""What a comparison of outcomes does not show: other sessions, and how much is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg import errors

from messagedb_agent.store import schema
from tests.postgres import NewDatabase

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

WRITE = "SELECT message_store.write_message(gen_random_uuid()::varchar, %s, 'Opened', '{}')"
A_FEW_PAGES = 30
"""What an index costs to descend, and a handful of rows; walking any of the tables takes more."""


@pytest.fixture
def dsn(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return dsn


def test_concurrent_writers_leave_no_gaps(dsn: str) -> None:
    def write_some() -> list[int]:
        with psycopg.connect(dsn, autocommit=True) as connection:
            rows = [connection.execute(WRITE, ("account-1",)).fetchone() for _ in range(25)]
        return [row[0] for row in rows if row is not None]

    with ThreadPoolExecutor(4) as pool:
        writers = [pool.submit(write_some) for _ in range(4)]

    assert sorted(p for writer in writers for p in writer.result()) == list(range(100))


def test_a_writer_keeps_others_out_of_its_category_only(dsn: str) -> None:
    with psycopg.connect(dsn) as first, psycopg.connect(dsn, autocommit=True) as second:
        second.execute("SET lock_timeout = '50ms'")
        first.execute(WRITE, ("account-1",))

        second.execute(WRITE, ("other-1",))
        with pytest.raises(errors.LockNotAvailable):
            second.execute(WRITE, ("account-2",))

        first.commit()
        second.execute(WRITE, ("account-2",))


def test_calls_are_reported_on_request(dsn: str) -> None:
    heard: list[str] = []
    with psycopg.connect(dsn) as connection:
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute("SET message_store.debug = 'on'")
        connection.execute(WRITE, ("account-1",))
        connection.execute("SELECT message_store.get_stream_messages('account-1')")
        connection.execute("SELECT message_store.get_category_messages('account')")
        connection.execute("SELECT message_store.get_last_stream_message('account-1')")

    assert [text.partition("(")[0] for text in heard] == [
        "acquire_lock",
        "write_message",
        "get_stream_messages",
        "get_category_messages",
        "get_last_stream_message",
    ]


INSERT = "INSERT INTO message_store.messages (stream_name, position, type, data) "
FILLING = f"""
{INSERT} SELECT 'thread-' || t, p, 'T', '{{}}'
  FROM generate_series(1, 2000) AS t, generate_series(0, 4) AS p;
{INSERT} SELECT 'thread-long', p, 'T', '{{}}' FROM generate_series(0, 9999) AS p;
{INSERT} SELECT 'other-' || t, p, 'T', '{{}}'
  FROM generate_series(1, 2000) AS t, generate_series(0, 9) AS p;
"""


@pytest.fixture(
    scope="module", params=["", "ANALYZE message_store.messages"], ids=["fresh", "analyzed"]
)
def filled(server: NewDatabase, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """Half a category, then many messages of others; with statistics and without."""
    with psycopg.connect(server(), autocommit=True) as connection:
        schema.install(connection)
        connection.execute(FILLING.encode())
        connection.execute(request.param)
        yield connection


class TestPagesRead:
    """The work of a call does not grow with what others have written."""

    @pytest.mark.parametrize(
        "call",
        [
            "get_category_messages('thread', 20001)",
            "get_category_messages('thread', 1, 10)",
            "get_category_messages('thread', 1, 10, NULL, 0, 2)",
            "get_category_messages('nobody', 1)",
            "get_stream_messages('thread-long', 9990)",
            "get_stream_messages('thread-long', 5000, 10)",
            "get_last_stream_message('thread-long')",
            "stream_version('thread-long')",
        ],
    )
    def test_a_call_reads_a_few_pages(self, filled: Connection, call: str) -> None:
        query = f"SELECT * FROM message_store.{call}"
        filled.execute(query.encode())  # the first call also reads the catalogue

        assert pages_read(filled, query) <= A_FEW_PAGES

    def test_a_correlation_is_looked_for_in_the_index_only(self, filled: Connection) -> None:
        call = "get_category_messages('thread', 1, 10, correlation => 'nobody')"
        query = f"SELECT * FROM message_store.{call}"
        filled.execute(query.encode())

        assert pages_read(filled, query) < pages_of(filled, "message_store.messages_category")

    def test_the_newest_threads_are_listed_from_an_index(self, filled: Connection) -> None:
        filled.execute("ANALYZE message_store.messages")
        query = """
            SELECT first.stream_name, last.time
            FROM (
              SELECT stream_name, global_position FROM message_store.messages
              WHERE position = 0 AND message_store.category(stream_name) = 'thread'
              ORDER BY global_position DESC LIMIT 5
            ) AS first
            CROSS JOIN LATERAL (
              SELECT time FROM message_store.messages AS m
              WHERE m.stream_name = first.stream_name ORDER BY m.position DESC LIMIT 1
            ) AS last
            ORDER BY first.global_position DESC
        """

        assert "messages_first" in explain(filled, query)
        assert pages_read(filled, query) <= A_FEW_PAGES


def explain(connection: Connection, query: str) -> str:
    rows = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {query}".encode())
    return "\n".join(line for (line,) in rows)


def pages_read(connection: Connection, query: str) -> int:
    """Pages that the whole query has looked at, those inside of functions included."""
    plan = explain(connection, query).partition("Planning")[0]
    found = re.search(r"Buffers:((?: \w+(?: \w+=\d+)+,?)*)", plan)
    return sum(map(int, re.findall(r"(?:hit|read)=(\d+)", found[1]))) if found else 0


def pages_of(connection: Connection, name: str) -> int:
    row = connection.execute("SELECT pg_relation_size(%s::regclass) / 8192", (name,)).fetchone()
    assert row is not None
    return int(row[0])
