"""A connection that breaks around COMMIT: every event is there exactly once."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import OptimisticConcurrencyError, StoreUnavailableError
from messagedb_agent.events import (
    LLMCallRequested,
    LLMResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.llm.retry import RetryPolicy
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools import ToolContext, ToolRegistry, tool
from tests.faults.proxy import Moment, Proxy

each_moment = pytest.mark.parametrize("moment", ["before", "during", "after"])


def new_stream() -> str:
    return f"cut:v0-{uuid4()}"


def said(text: str) -> NewEvent:
    return NewEvent(event=UserMessageAdded(message=text))


def texts_of(store: EventStore, stream: str) -> list[str]:
    return [getattr(record.event, "message", "") for record in store.read(stream)]


@each_moment
@pytest.mark.parametrize("expected", [None, NO_STREAM])
def test_an_append_whose_connection_is_cut_is_there_once(
    proxied: MessageDBClient,
    direct: MessageDBClient,
    proxy: Proxy,
    moment: Moment,
    expected: int | None,
) -> None:
    stream = new_stream()
    proxy.cut(b"cut here", moment)

    records = proxied.append(stream, [said("cut here"), said("b")], expected_version=expected)

    assert proxy.cuts == 1
    assert [record.position for record in records] == [0, 1]
    assert texts_of(direct, stream) == ["cut here", "b"]


@each_moment
def test_an_append_that_is_cut_again_and_again_is_there_once(
    proxied: MessageDBClient, direct: MessageDBClient, proxy: Proxy, moment: Moment
) -> None:
    stream = new_stream()
    proxy.cut(b"cut here", moment, times=3)

    (record,) = proxied.append(stream, [said("cut here")], expected_version=NO_STREAM)

    assert (proxy.cuts, record.position) == (3, 0)
    assert texts_of(direct, stream) == ["cut here"]


def test_an_append_that_was_committed_is_found_although_others_have_written_since(
    proxied: MessageDBClient, direct: MessageDBClient, proxy: Proxy
) -> None:
    stream = new_stream()
    proxy.cut(b"cut here", "after", meanwhile=lambda: direct.append(stream, [said("late")]))

    (record,) = proxied.append(stream, [said("cut here")], expected_version=NO_STREAM)

    assert record.position == 0
    assert texts_of(direct, stream) == ["cut here", "late"]


def test_an_append_that_was_not_committed_is_refused_when_others_were_first(
    proxied: MessageDBClient, direct: MessageDBClient, proxy: Proxy
) -> None:
    stream = new_stream()
    proxy.cut(b"cut here", "before", meanwhile=lambda: direct.append(stream, [said("first")]))

    with pytest.raises(OptimisticConcurrencyError):
        proxied.append(stream, [said("cut here")], expected_version=NO_STREAM)

    assert texts_of(direct, stream) == ["first"]


def test_a_read_whose_connection_is_cut_is_read_again(
    proxied: MessageDBClient, direct: MessageDBClient, proxy: Proxy
) -> None:
    stream = new_stream()
    direct.append(stream, [said("a")])
    proxy.cut(stream.encode(), "after")

    assert texts_of(proxied, stream) == ["a"]
    assert proxy.cuts == 1


def test_a_server_that_stays_away_is_waited_for_so_long_and_no_longer(
    proxied_conninfo: dict[str, Any], proxy: Proxy
) -> None:
    said_so: list[str] = []
    with MessageDBClient(proxied_conninfo, patience_seconds=0.3, on_wait=said_so.append) as client:
        proxy.cut(b"cut here", "before", times=1000)

        with pytest.raises(StoreUnavailableError, match=r"cannot connect|closed") as raised:
            client.append(new_stream(), [said("cut here")])

    assert len(str(raised.value).splitlines()) == 1
    assert len(said_so) == 1


@tool(permission="allow")
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


MARKS = {
    "the message": b"hello there",
    "the first claim": b"LLMCallRequested",
    "the response": b"let me look",
    "the result": b"seen the door",
    "the answer": b"a door it is",
}


@each_moment
@pytest.mark.parametrize("mark", MARKS.values(), ids=MARKS.keys())
def test_a_turn_that_is_cut_at_any_commit_ends_as_if_nothing_had_been(
    proxied: MessageDBClient, direct: MessageDBClient, proxy: Proxy, moment: Moment, mark: bytes
) -> None:
    model = ScriptedModel(
        [
            {
                "text": "let me look",
                "tool_calls": [{"name": "look", "arguments": {"at": "the door"}}],
            },
            {"text": "a door it is"},
        ]
    )
    agent = Agent(llm=model, tools=ToolRegistry(look), retry=RetryPolicy(first_pause=0))
    stream = new_stream()
    proxy.cut(mark, moment, times=2)

    with AgentThread(proxied, stream) as thread:
        thread.start("hello there")
        result = thread.run(agent)

    kinds = [type(record.event) for record in direct.read(stream)]
    assert (result.stop, result.response) == ("done", "a door it is")
    assert proxy.cuts == 2
    assert len(model.requests) == 2
    assert [kind for kind in kinds if kind.__name__.startswith(("LLM", "Tool"))] == [
        LLMCallRequested,
        LLMResponseReceived,
        ToolExecutionRequested,
        ToolExecutionCompleted,
        LLMCallRequested,
        LLMResponseReceived,
    ]


@tool(permission="allow", transactional=True)
def book(context: ToolContext) -> str:
    """Write into the ledger."""
    assert context.connection is not None
    context.connection.execute("INSERT INTO ledger VALUES (%s)", (context.thread_id,))
    return "booked"


@each_moment
@pytest.mark.parametrize(
    "mark", [b"INSERT INTO ledger", b"ToolExecutionCompleted", b"COMMIT"], ids=bytes.decode
)
def test_a_transactional_tool_that_is_cut_off_has_its_effect_once(
    proxied: MessageDBClient, direct: MessageDBClient, proxy: Proxy, moment: Moment, mark: bytes
) -> None:
    direct.query(lambda own: own.execute("CREATE TABLE IF NOT EXISTS ledger (thread text)"))
    model = ScriptedModel([{"tool_calls": [{"name": "book", "arguments": {}}]}, {"text": "done"}])
    agent = Agent(llm=model, tools=ToolRegistry(book))
    stream = new_stream()
    proxy.cut(mark, moment, times=2)

    with AgentThread(proxied, stream) as thread:
        thread.start("hi")
        result = thread.run(agent)

    thread_id = stream.partition("-")[2]
    rows = direct.query(
        lambda own: own.execute("SELECT FROM ledger WHERE thread = %s", (thread_id,)).rowcount
    )
    kinds = [type(record.event) for record in direct.read(stream)]
    assert result.response == "done"
    assert proxy.cuts >= 1
    assert (rows, kinds.count(ToolExecutionCompleted)) == (1, 1)
    assert len(model.requests) == 2
