"""Connections of the client: given back, explained when they fail, shared with callers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.session import add_message, start_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import (
    ConfigurationError,
    OptimisticConcurrencyError,
    SchemaMissingError,
    StoreUnavailableError,
)
from messagedb_agent.events import UserMessageAdded
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import quick_connection
from messagedb_agent.tools import ToolRegistry, tool
from tests.postgres import NewDatabase, free_port
from tests.waiting import wait_until


def said(text: str) -> NewEvent:
    return NewEvent(event=UserMessageAdded(message=text))


def new_stream() -> str:
    return f"client:v0-{uuid4()}"


@contextmanager
def onlooker(message_db: dict[str, Any]) -> Iterator[psycopg.Connection[Any]]:
    """A connection from outside, to look at the server with."""
    with psycopg.connect(**message_db, autocommit=True) as connection:
        yield connection


def sessions(connection: psycopg.Connection[Any]) -> int:
    """How many sessions this database has."""
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    ).fetchone()
    return int(row[0]) if row else 0


def test_twenty_turns_leak_no_connection(message_db: dict[str, Any]) -> None:
    model = ScriptedModel([{"text": "yes"}], repeat=True)
    stream = new_stream()
    with onlooker(message_db) as outside, MessageDBClient(message_db) as client:
        counts = []
        for number in range(20):
            with AgentThread(client, stream) as thread:
                thread.start("hi") if not number else thread.send("again")
                thread.run(Agent(llm=model))
            counts.append(sessions(outside))

        assert counts[-1] <= counts[1]
        assert len(model.requests) == 20
    with onlooker(message_db) as outside:
        wait_until(lambda: sessions(outside) <= counts[0])


def test_an_error_gives_its_connection_back(message_db: dict[str, Any]) -> None:
    stream = new_stream()
    with MessageDBClient(message_db, max_connections=1) as client:
        client.append(stream, [said("a")])
        for _ in range(3):
            with pytest.raises(OptimisticConcurrencyError):
                client.append(stream, [said("b")], expected_version=7)

        assert client.version(stream) == 0


def test_a_reader_that_stops_halfway_holds_no_connection(message_db: dict[str, Any]) -> None:
    stream = new_stream()
    with MessageDBClient(message_db, max_connections=1) as client:
        client.append(stream, [said("a"), said("b")])
        reader = client.read(stream)
        next(reader)

        assert client.version(stream) == 1


def test_transactions_leave_a_connection_to_all_else(message_db: dict[str, Any]) -> None:
    stream = new_stream()
    begun, over = threading.Event(), threading.Event()
    with MessageDBClient(message_db, max_connections=2) as client:

        def follow() -> None:
            begun.set()
            with client.transaction() as connection:
                connection.execute("SELECT 1")
            over.set()

        with client.transaction():
            threading.Thread(target=follow, daemon=True).start()
            assert begun.wait(20)
            client.append(stream, [said("beside it")])
            assert not over.is_set()

        assert over.wait(20)
        assert client.version(stream) == 0


def test_a_transaction_that_gets_no_connection_says_so(
    message_db: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messagedb_agent.store.client.TRANSACTION_PATIENCE_SECONDS", 0.01)
    with (
        MessageDBClient(message_db, max_connections=2) as client,
        client.transaction(),
        pytest.raises(StoreUnavailableError, match="transactions keep"),
        client.transaction(),
    ):
        pass


def test_events_join_the_callers_transaction(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = new_stream()
    with psycopg.connect(**message_db) as connection:
        client.append(stream, [said("kept")], connection=connection)
        assert client.version(stream) == -1
        connection.commit()
        client.append(stream, [said("dropped")], connection=connection)
        connection.rollback()

    assert [record.event for record in client.read(stream)] == [UserMessageAdded(message="kept")]


def test_a_session_and_its_messages_join_the_callers_transaction(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    with psycopg.connect(**message_db) as connection:
        thread = start_session(client, "hi", category="client", connection=connection)
        connection.rollback()
        other = start_session(client, "hi", category="client", connection=connection)
        connection.commit()
        add_message(client, f"client:v0-{other}", "dropped", connection=connection)
        connection.rollback()

    assert client.version(f"client:v0-{thread}") == -1
    assert client.version(f"client:v0-{other}") == 1


def test_a_wrong_version_within_the_callers_transaction_says_so(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    with (
        psycopg.connect(**message_db) as connection,
        pytest.raises(OptimisticConcurrencyError, match="expected 5"),
    ):
        client.append(new_stream(), [said("a")], expected_version=5, connection=connection)


def test_a_transaction_that_fails_leaves_nothing(client: MessageDBClient) -> None:
    stream = new_stream()

    def fail() -> None:
        with client.transaction() as connection:
            client.append(stream, [said("a")], connection=connection)
            raise LookupError

    with pytest.raises(LookupError):
        fail()

    assert client.version(stream) == -1


def look_in(way: str, conninfo: dict[str, Any]) -> None:
    """Connect, and ask for Message DB."""
    if way == "store":
        with MessageDBClient(conninfo) as client:
            client.health_check()
    else:
        with quick_connection(conninfo) as connection:
            connection.query("SELECT message_store.message_store_version()")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nobody listens": ({"host": "127.0.0.1", "port": 0}, "cannot connect to PostgreSQL at 127.0.0"),
    "no such socket": ({"host": "/nonexistent"}, "cannot connect to PostgreSQL at /nonexistent"),
    "no such database": ({"dbname": "no such one"}, '"no such one" does not exist'),
    "no such user": ({"user": "nobody we know"}, "nobody we know"),
    "no such host": ({"host": "host.invalid", "port": 5432}, "cannot connect"),
}


@pytest.mark.parametrize(("wrong", "told"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("way", ["store", "quick"])
def test_a_database_that_can_not_be_reached_is_explained_in_one_line(
    message_db: dict[str, Any], wrong: dict[str, Any], told: str, way: str
) -> None:
    if wrong.get("port") == 0:
        wrong = {**wrong, "port": free_port()}
    began = time.monotonic()

    with pytest.raises(StoreUnavailableError) as raised:
        look_in(way, {**message_db, **wrong})

    assert told in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert time.monotonic() - began < 5


def test_a_wrong_connection_string_is_a_mistake_of_configuration_that_keeps_its_secrets() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL") as raised:
        MessageDBClient({"dbname": "postgresql://user:s3cret@host:port/db?x"})

    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("way", ["store", "quick"])
def test_a_database_without_message_db_says_what_to_do(server: NewDatabase, way: str) -> None:
    conninfo = {"dbname": server()}

    with pytest.raises(SchemaMissingError, match="db install"):
        look_in(way, conninfo)


def test_a_connection_string_in_place_of_a_name_reaches_the_same_database(
    server: NewDatabase, message_db: dict[str, Any]
) -> None:
    dsn = " ".join(f"{name}='{value}'" for name, value in message_db.items())
    with MessageDBClient({"dbname": dsn}) as client:
        client.health_check()


def test_a_closed_store_says_that_it_is_closed(message_db: dict[str, Any]) -> None:
    client = MessageDBClient(message_db)
    client.open()
    client.close()

    with pytest.raises(StoreUnavailableError, match="closed"):
        client.version("a-b")


def test_no_connection_is_held_while_a_model_or_a_tool_runs(message_db: dict[str, Any]) -> None:
    seen: list[tuple[str, int, int]] = []

    def look_around(where: str) -> None:
        # The only connection of the pool is free, and no session has a transaction open.
        version = client.version(stream)
        with onlooker(message_db) as outside:
            (row,) = outside.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            ).fetchall()
        seen.append((where, version, row[0]))

    class Watchful(ScriptedModel):
        def complete(self, request: ModelRequest, **more: Any) -> Completion:
            look_around("model")
            return super().complete(request, **more)

    @tool(permission="allow")
    def watchful() -> None:
        """Look around."""
        look_around("tool")

    model = Watchful([{"tool_calls": [{"name": "watchful"}]}, {"text": "done"}])
    stream = new_stream()
    with (
        MessageDBClient(message_db, max_connections=1) as client,
        AgentThread(client, stream) as thread,
    ):
        thread.start("hi")
        thread.run(Agent(llm=model, tools=ToolRegistry(watchful)))

    assert seen == [("model", 3, 0), ("tool", 5, 0), ("model", 7, 0)]


def test_a_message_joins_the_transaction_that_began_its_thread(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    with psycopg.connect(**message_db) as connection:
        thread = start_session(client, "hi", category="client", connection=connection)
        add_message(client, f"client:v0-{thread}", "and this", connection=connection)
        connection.commit()

    assert client.version(f"client:v0-{thread}") == 2


def test_sessions_that_are_made_ready_leave_no_event_behind(message_db: dict[str, Any]) -> None:
    are_ready = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE application_name = 'ready' AND query LIKE '%get_stream_messages%'"
    )
    count = "SELECT count(*) FROM message_store.messages"
    with psycopg.connect(autocommit=True, **message_db) as onlooker:
        before = onlooker.execute(count).fetchone()
        settings = {**message_db, "application_name": "ready"}
        with MessageDBClient(settings, min_connections=3) as client:
            wait_until(lambda: onlooker.execute(are_ready).fetchone() == (3,))

            assert onlooker.execute(count).fetchone() == before
            client.health_check()


def test_sessions_that_can_not_be_made_ready_tell_why_when_they_are_used(
    server: NewDatabase,
) -> None:
    with (
        MessageDBClient({"dbname": server()}, min_connections=1) as client,
        pytest.raises(SchemaMissingError, match="db install"),
    ):
        client.version(new_stream())
