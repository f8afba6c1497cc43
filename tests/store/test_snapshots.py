"""A snapshot stands for the events before it, or for nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from messagedb_agent.events import SessionStarted, ToolExecutionCompleted, UserMessageAdded
from messagedb_agent.events.agent import LLMResponseReceived, ToolCall
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import as_stored
from messagedb_agent.projections.base import Projected
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.snapshots import (
    decode_state,
    encode_state,
    load_snapshot,
    save_snapshot,
)
from messagedb_agent.testing.histories import histories
from messagedb_agent.testing.strategies import events
from tests.events.sameness import same

HISTORY: tuple[Event, ...] = (
    SessionStarted(thread_id="t"),
    UserMessageAdded(message="hello"),
    LLMResponseReceived(response_text="hi"),
    UserMessageAdded(message="and now?"),
)


@example(history=[LLMResponseReceived(latency_ms=1)], cut=1)
@given(history=histories() | st.lists(events(), max_size=8), cut=st.integers(0, 20))
def test_a_snapshot_and_the_rest_of_the_stream_fold_to_the_whole(
    history: list[Event], cut: int
) -> None:
    stored = [as_stored(event) for event in history]
    try:
        snapshot = encode_state(THREAD_STATE.fold(stored[:cut]))
    except (OverflowError, UnicodeEncodeError):
        assume(False)

    resumed = THREAD_STATE.fold(stored[cut:], start=decode_state(ThreadState, snapshot))

    assert same(resumed, THREAD_STATE.fold(stored))


@pytest.fixture
def stream(client: MessageDBClient) -> str:
    name = f"agent:v0-{uuid4()}"
    client.append(name, [NewEvent(event=event) for event in HISTORY])
    return name


def folded(client: MessageDBClient, stream: str) -> Projected[ThreadState]:
    return THREAD_STATE.at_start().advance(client.read(stream))


@pytest.fixture
def sql(client: MessageDBClient) -> Iterator[psycopg.Connection[Any]]:
    with client.connection() as connection:
        yield connection


def test_what_was_kept_comes_back(client: MessageDBClient, stream: str) -> None:
    assert save_snapshot(client, stream, folded(client, stream))

    assert load_snapshot(client, stream, THREAD_STATE) == folded(client, stream)


def test_only_the_last_one_is_kept(client: MessageDBClient, stream: str) -> None:
    first = folded(client, stream)
    save_snapshot(client, stream, first)
    client.append(stream, [NewEvent(event=UserMessageAdded(message="more"))])
    save_snapshot(client, stream, folded(client, stream))

    found = load_snapshot(client, stream, THREAD_STATE)

    assert found is not None
    assert found.version == first.version + 1
    assert len(found.state.context.messages) == len(first.state.context.messages) + 1


def test_a_snapshot_of_another_version_of_the_projection_counts_for_nothing(
    client: MessageDBClient, stream: str
) -> None:
    save_snapshot(client, stream, folded(client, stream))
    changed = msgspec.structs.replace(THREAD_STATE, version=THREAD_STATE.version + 1)

    assert load_snapshot(client, stream, changed) is None


def test_a_stream_that_was_begun_again_has_no_use_for_the_old_snapshot(
    client: MessageDBClient, stream: str, sql: psycopg.Connection[Any]
) -> None:
    save_snapshot(client, stream, folded(client, stream))
    sql.execute("DELETE FROM message_store.messages WHERE stream_name = %s", (stream,))
    client.append(stream, [NewEvent(event=event) for event in HISTORY])

    assert load_snapshot(client, stream, THREAD_STATE) is None


def test_what_can_not_be_read_counts_for_nothing(
    client: MessageDBClient, stream: str, sql: psycopg.Connection[Any]
) -> None:
    save_snapshot(client, stream, folded(client, stream))
    sql.execute(
        "UPDATE messagedb_agent.snapshots SET state = %s WHERE stream_name = %s", (b"\x01", stream)
    )

    assert load_snapshot(client, stream, THREAD_STATE) is None


def test_without_the_table_there_are_none_until_one_is_kept(
    client: MessageDBClient, stream: str, sql: psycopg.Connection[Any]
) -> None:
    sql.execute("DROP TABLE IF EXISTS messagedb_agent.snapshots")
    assert load_snapshot(client, stream, THREAD_STATE) is None

    assert save_snapshot(client, stream, folded(client, stream))
    assert load_snapshot(client, stream, THREAD_STATE) is not None


def test_a_number_that_messagepack_has_no_form_for_means_no_snapshot(
    client: MessageDBClient, stream: str
) -> None:
    call = ToolCall("c", "count", {})
    done = ToolExecutionCompleted(tool_name="count", tool_call_id="c", result=1 << 70)
    state = THREAD_STATE.fold((LLMResponseReceived(tool_calls=(call,)), done))

    assert not save_snapshot(client, stream, Projected(THREAD_STATE, state, 3))


def test_a_store_in_memory_keeps_none() -> None:
    store = MemoryStore()

    assert not save_snapshot(store, "agent:v0-t", THREAD_STATE.at_start())
    assert load_snapshot(store, "agent:v0-t", THREAD_STATE) is None
