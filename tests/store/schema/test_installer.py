from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest
from psycopg.rows import dict_row

from messagedb_agent.errors import SchemaMissingError, StoreUnavailableError, UsageError
from messagedb_agent.store import schema
from messagedb_agent.store.schema import inspection, installer
from tests.postgres import NewDatabase, throwaway_server
from tests.store.schema import genuine

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def dsn(server: NewDatabase) -> str:
    """An empty database."""
    return server()


@pytest.fixture
def connection(dsn: str) -> Iterator[Connection]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def superuser() -> Iterator[str]:
    """The superuser of another server, which has an ordinary user and a database of theirs."""
    with throwaway_server() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE ROLE ordinary LOGIN")
            connection.execute("CREATE DATABASE owned OWNER ordinary")
        yield dsn


def write(connection: Connection, stream_name: str = "account-1") -> int:
    row = connection.execute(
        "SELECT message_store.write_message(gen_random_uuid()::varchar, %s, 'Opened', '{}')",
        (stream_name,),
    ).fetchone()
    assert row is not None
    return int(row[0])


def sources(connection: Connection) -> list[tuple[Any, ...]]:
    """Everything an installer could have changed about the functions."""
    return connection.execute(
        "SELECT p.oid, p.xmin::text, prosrc FROM pg_proc AS p "
        "WHERE pronamespace = 'message_store'::regnamespace ORDER BY p.oid"
    ).fetchall()


def test_an_empty_database_has_nothing(connection: Connection) -> None:
    assert schema.installed_version(connection) is None
    assert schema.installed_revision(connection) is None
    assert len(schema.missing_functions(connection)) == 12


def test_afterwards_the_interface_is_there(connection: Connection) -> None:
    assert schema.install(connection) == schema.Installation("1.3.0", ours=True, changed=True)

    assert schema.installed_version(connection) == "1.3.0"
    assert schema.installed_revision(connection) == installer.REVISION
    assert schema.missing_functions(connection) == ()
    assert [write(connection), write(connection)] == [0, 1]


def test_it_works_without_a_search_path(connection: Connection) -> None:
    schema.install(connection)
    connection.execute("SET search_path TO ''")

    write(connection)

    for read in ("get_stream_messages('account-1')", "get_category_messages('account')"):
        assert connection.execute(f"SELECT FROM message_store.{read}".encode()).rowcount == 1


def test_a_second_installation_changes_nothing(connection: Connection) -> None:
    schema.install(connection)
    before = sources(connection)

    assert schema.install(connection) == schema.Installation("1.3.0", ours=True, changed=False)

    assert sources(connection) == before


def test_one_of_several_installers_at_once_does_the_work(dsn: str) -> None:
    together = threading.Barrier(4)

    def install() -> bool:
        with psycopg.connect(dsn) as connection:
            together.wait()
            return schema.install(connection).changed

    with ThreadPoolExecutor(4) as pool:
        outcomes = [pool.submit(install) for _ in range(4)]

    assert sorted(outcome.result() for outcome in outcomes) == [False, False, False, True]


def test_it_takes_part_in_the_callers_transaction(connection: Connection) -> None:
    with connection.transaction(force_rollback=True):
        schema.install(connection)

    assert schema.installed_version(connection) is None


def test_it_commits_when_there_is_no_transaction_to_take_part_in(dsn: str) -> None:
    connection = psycopg.connect(dsn)
    schema.install(connection)
    connection.close()

    with psycopg.connect(dsn) as another:
        assert schema.missing_functions(another) == ()


def test_the_row_factory_of_the_connection_does_not_matter(dsn: str) -> None:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        assert schema.install(connection).changed
        assert not schema.install(connection).changed


def test_what_is_missing_is_put_back_and_messages_stay(connection: Connection) -> None:
    schema.install(connection)
    write(connection)
    connection.execute("DROP FUNCTION message_store.stream_version(varchar)")
    assert schema.missing_functions(connection) == ("stream_version(character varying)",)

    assert schema.install(connection).changed

    assert write(connection) == 1


def mark(connection: Connection, revision: int) -> None:
    text = inspection.MARK.format(revision)
    connection.execute(f"COMMENT ON TABLE message_store.messages IS '{text}'".encode())


def test_an_older_revision_is_brought_up_to_date(connection: Connection) -> None:
    schema.install(connection)
    mark(connection, installer.REVISION - 1)

    assert schema.install(connection).changed

    assert schema.installed_revision(connection) == installer.REVISION


def test_a_newer_revision_is_left_as_it_is(connection: Connection) -> None:
    schema.install(connection)
    mark(connection, installer.REVISION + 1)
    before = sources(connection)

    found = schema.install(connection)

    assert (found.ours, found.changed) == (True, False)
    assert "newer program" in found.notes[0]
    assert sources(connection) == before


class TestGenuine:
    """A database in which somebody else has installed Message DB."""

    @pytest.fixture(autouse=True)
    def _installed(self, connection: Connection, genuine_sql: Path) -> None:
        genuine.install(connection, genuine_sql)

    def test_it_is_left_as_it_is(self, connection: Connection) -> None:
        before = sources(connection)

        found = schema.install(connection)

        assert (found.version, found.ours, found.changed) == ("1.3.0", False, False)
        assert schema.installed_revision(connection) is None
        assert sources(connection) == before

    def test_an_incomplete_one_is_not_completed(self, connection: Connection) -> None:
        connection.execute("DROP FUNCTION message_store.get_last_stream_message(varchar, varchar)")
        before = sources(connection)

        with pytest.raises(SchemaMissingError, match="get_last_stream_message"):
            schema.install(connection)

        assert sources(connection) == before

    def test_it_can_be_given_the_index_of_threads(self, connection: Connection) -> None:
        assert schema.add_thread_index(connection)
        assert not schema.add_thread_index(connection)

    def test_an_index_that_was_left_half_built_is_built_again(self, connection: Connection) -> None:
        schema.add_thread_index(connection)
        connection.execute(
            "UPDATE pg_index SET indisvalid = false "
            "WHERE indexrelid = 'message_store.messages_first'::regclass"
        )

        assert schema.add_thread_index(connection)

    def test_the_index_is_not_built_inside_a_transaction(self, dsn: str) -> None:
        with psycopg.connect(dsn) as connection, pytest.raises(UsageError, match="autocommit"):
            schema.add_thread_index(connection)

    def test_the_index_is_built_by_one_process_at_a_time(
        self, dsn: str, connection: Connection
    ) -> None:
        with psycopg.connect(dsn) as other:
            other.execute("SELECT pg_advisory_xact_lock(%s, %s)", installer._LOCK)

            with pytest.raises(StoreUnavailableError, match="another process"):
                schema.add_thread_index(connection)


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="needs a server of its own")
class TestOrdinaryUser:
    """A user who is no superuser, on a server where nobody has created a role yet."""

    def test_a_refused_role_is_noted_and_all_else_installed(self, superuser: str) -> None:
        with psycopg.connect(superuser, user="ordinary", dbname="owned") as connection:
            found = schema.install(connection)

            assert found.changed
            assert ["may not create roles" in note for note in found.notes] == [True]
            assert schema.missing_functions(connection) == ()
            assert write(connection) == 0

    def test_without_the_right_to_create_nothing_is_left_behind(self, superuser: str) -> None:
        with psycopg.connect(superuser, user="ordinary", dbname="postgres") as connection:
            with pytest.raises(StoreUnavailableError, match="GRANT CREATE ON DATABASE"):
                schema.install(connection)

            assert len(schema.missing_functions(connection)) == 12
