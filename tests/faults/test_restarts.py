"""A server that goes away and comes back."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ThreadBusyError
from messagedb_agent.events import UserMessageAdded
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store import schema
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools import ToolRegistry, tool
from tests.postgres import ThrowawayServer, controlled_server


@pytest.fixture(scope="module")
def mortal() -> Iterator[ThrowawayServer]:
    """A server of this module's own, so that its deaths disturb nobody."""
    with controlled_server(synchronous_commit="on") as server:
        with psycopg.connect(server.dsn) as connection:
            schema.install(connection)
        yield server


def said(text: str) -> NewEvent:
    return NewEvent(event=UserMessageAdded(message=text))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_store_survives_its_server(mortal: ThrowawayServer, how: signal.Signals) -> None:
    stream = f"restart:v0-{uuid4()}"
    with MessageDBClient(conninfo_to_dict(mortal.dsn)) as client:
        client.append(stream, [said("before")])
        mortal.stop(how)
        mortal.start()

        client.append(stream, [said("after")], expected_version=0)

        assert client.version(stream) == 1
        assert len(list(client.read(stream))) == 2


def test_work_that_begins_while_the_server_is_down_waits_for_it(mortal: ThrowawayServer) -> None:
    stream, waiting = f"restart:v0-{uuid4()}", threading.Event()
    with MessageDBClient(
        conninfo_to_dict(mortal.dsn), on_wait=lambda _reason: waiting.set()
    ) as client:
        mortal.stop()
        writer = threading.Thread(target=client.append, args=(stream, [said("patient")]))
        writer.start()
        assert waiting.wait(10)
        mortal.start()
        writer.join(20)

        assert client.version(stream) == 0


@tool(permission="allow")
def echo(text: str) -> str:
    """Say it again."""
    return text


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
@pytest.mark.parametrize("step", [0, 1])
def test_a_run_survives_its_server(mortal: ThrowawayServer, how: signal.Signals, step: int) -> None:
    class Witness(ScriptedModel):
        def complete(self, request: ModelRequest, **more: Any) -> Completion:
            if len(self.requests) == step:
                mortal.stop(how)
                mortal.start()
            return super().complete(request, **more)

    made = {"tool_calls": [{"name": "echo", "arguments": {"text": "x"}}]}
    model, stream = Witness([made, {"text": "done"}]), f"restart:v0-{uuid4()}"
    with (
        MessageDBClient(conninfo_to_dict(mortal.dsn)) as client,
        AgentThread(client, stream) as thread,
    ):
        thread.start("hi")
        result = thread.run(Agent(llm=model, tools=ToolRegistry(echo)))
        kinds = [record.type for record in client.read(stream)]

    assert result.response == "done"
    assert kinds == [
        "SessionStarted",
        "UserMessageAdded",
        "AgentConfigured",
        "LLMCallRequested",
        "LLMResponseReceived",
        "ToolExecutionRequested",
        "ToolExecutionCompleted",
        "LLMCallRequested",
        "LLMResponseReceived",
    ]


def test_a_run_whose_lock_went_to_another_stops_before_its_next_claim(
    mortal: ThrowawayServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messagedb_agent.engine.thread.RELOCK_PAUSE_SECONDS", 0.01)
    conninfo, stream = conninfo_to_dict(mortal.dsn), f"restart:v0-{uuid4()}"
    made = {"tool_calls": [{"name": "echo", "arguments": {"text": "x"}}]}
    with MessageDBClient(conninfo) as client, MessageDBClient(conninfo) as other:

        class Robbed(ScriptedModel):
            def complete(self, request: ModelRequest, **more: Any) -> Completion:
                with psycopg.connect(mortal.dsn, autocommit=True) as connection:
                    connection.execute(
                        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
                        " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                    )
                other.lock(stream)
                return super().complete(request, **more)

        model = Robbed([made, {"text": "done"}])
        with AgentThread(client, stream) as thread:
            thread.start("hi")
            with pytest.raises(ThreadBusyError):
                thread.run(Agent(llm=model, tools=ToolRegistry(echo)))
        kinds = [record.type for record in client.read(stream)]

    # The answer was paid for and nobody else had claimed the step, so it is kept.
    assert kinds[-2:] == ["LLMCallRequested", "LLMResponseReceived"]


def test_a_lock_is_lost_with_its_server_and_can_be_taken_again(mortal: ThrowawayServer) -> None:
    stream = f"restart:v0-{uuid4()}"
    with MessageDBClient(conninfo_to_dict(mortal.dsn)) as client:
        lock = client.lock(stream)
        assert lock.is_held()
        mortal.stop()
        mortal.start()

        assert not lock.is_held()
        again = client.lock(stream)
        lock.release()
        assert again.is_held()
