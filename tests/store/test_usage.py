"""Usage as the database sums it, read through libpq as the command line does."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.events.agent import LLMResponseReceived
from messagedb_agent.store import schema
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.operations import Batch, append_events
from messagedb_agent.store.quick import QuickConnection, quick_connection
from messagedb_agent.store.usage import category_usage, stream_usage
from tests.postgres import NewDatabase

ODD = 'agent:v0-"odd\\,{one}"'


def answer(model: str, tokens_in: int, **more: int) -> NewEvent:
    usage = {"input_tokens": tokens_in, "output_tokens": 1, "total_tokens": tokens_in + 1, **more}
    return NewEvent(event=LLMResponseReceived(model_name=model, token_usage=usage))


@pytest.fixture
def connection(server: NewDatabase) -> Iterator[QuickConnection]:
    database = server()
    with psycopg.connect(database, autocommit=True) as own:
        schema.install(own)
        append_events(
            own, Batch.of("agent:v0-a", [answer("m", 10), answer("m", 20, cache_read_tokens=5)])
        )
        append_events(own, Batch.of("agent:v0-b", [answer("m", 150_000), answer("n", 1)]))
        append_events(own, Batch.of(ODD, [answer("m", 7)]))
        append_events(own, Batch.of("other:v0-a", [answer("m", 999)]))
    with quick_connection(conninfo_to_dict(database)) as connection:
        yield connection


def test_a_category_is_summed_by_model_and_price_class(connection: QuickConnection) -> None:
    sums = category_usage(connection, "agent:v0")

    assert sorted((row.model_name, row.calls, row.input_tokens) for row in sums) == [
        ("m", 1, 150_000),
        ("m", 3, 37),
        ("n", 1, 1),
    ]
    assert {row.stream_name for row in sums} == {None}
    assert sum(row.cache_read_tokens for row in sums) == 5


def test_threads_can_stay_apart(connection: QuickConnection) -> None:
    sums = category_usage(connection, "agent:v0", by_thread=True)

    assert sum(row.total_tokens for row in sums if row.stream_name == "agent:v0-a") == 32
    assert {row.stream_name for row in sums} == {"agent:v0-a", "agent:v0-b", ODD}


def test_streams_are_summed_whatever_their_names(connection: QuickConnection) -> None:
    names = ["agent:v0-a", ODD, "agent:v0-nobody", "other:v0-a"]

    sums = stream_usage(connection, names)

    assert {row.stream_name: row.input_tokens for row in sums} == {
        "agent:v0-a": 30,
        ODD: 7,
        "other:v0-a": 999,
    }
    assert stream_usage(connection, []) == ()
