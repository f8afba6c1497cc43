"""
What releases have stored has to go on: whole threads, as each of them left them in the database.

A file in `tests/golden/streams/VERSION` holds one thread of `recordings`: a line that tells what it
meant, and then its rows. Running this module with MESSAGEDB_AGENT_NEW_GOLDEN=1 records those that
the installed version does not have; a file that exists is never written again. That is done for
each release, right before it: delete the version's folder if an earlier state of it was recorded.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg
import pytest

from messagedb_agent import __version__
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.session import add_message, approve, reopen_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.travel import replay
from messagedb_agent.events import UnknownEvent
from messagedb_agent.events.json_text import from_json, to_json
from messagedb_agent.events.registry import lookup
from messagedb_agent.projections import project_to_next_step, project_to_session_state
from messagedb_agent.projections.messages import AssistantMessage, Message, UserMessage
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.client import MessageDBClient
from tests.engine.helpers import agent_of, violations
from tests.engine.recordings import CATEGORY, RECORDINGS, TOOLS, name_of

FOLDER = Path(__file__).parents[1] / "golden" / "streams"
CURRENT = FOLDER / __version__

_ROWS = """
    SELECT id::text, stream_name, type, position, data::text, metadata::text, time::text
    FROM message_store.messages WHERE message_store.category(stream_name) = ANY (%s)
    ORDER BY global_position
"""
_RESTORE = """
    INSERT INTO message_store.messages (id, stream_name, type, position, data, metadata, time)
    VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_CATEGORIES = [f"{CATEGORY}:v0", "agent_blob:v0"]


def told(message: Message) -> list[str]:
    match message:
        case UserMessage(text=text) | AssistantMessage(text=text):
            return [type(message).__name__, text]
        case _:
            return [type(message).__name__, to_json(message.result)]


def meaning(client: MessageDBClient, stream: str) -> dict[str, Any]:
    """What a thread says to a model, to people and to the engine."""
    history = read_history(client, stream)
    events = [record.event for record in history]
    state = THREAD_STATE.fold(events)
    return {
        "stream_name": stream,
        "status": project_to_session_state(events).status,
        "halted": state.turn.halted,
        "pending": [call.call.id for call in state.calls.pending],
        "next_step": project_to_next_step(events).value,
        "messages": [told(message) for message in state.context.messages],
    }


@pytest.fixture
def empty(client: MessageDBClient, message_db: dict[str, Any]) -> MessageDBClient:
    """The store without streams of these categories."""
    with psycopg.connect(**message_db) as connection:
        connection.execute(
            "DELETE FROM message_store.messages"
            " WHERE message_store.category(stream_name) = ANY (%s)",
            (_CATEGORIES,),
        )
    return client


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recording_of_this_version_is_there(
    empty: MessageDBClient, message_db: dict[str, Any], name: str
) -> None:
    file = CURRENT / f"{name}.jsonl"
    if os.environ.get("MESSAGEDB_AGENT_NEW_GOLDEN") and not file.exists():
        RECORDINGS[name](empty, name_of(name))
        with psycopg.connect(**message_db) as connection:
            rows = connection.execute(_ROWS, (_CATEGORIES,)).fetchall()
        lines = [to_json(meaning(empty, name_of(name))), *map(json.dumps, rows)]
        CURRENT.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    assert file.exists(), "MESSAGEDB_AGENT_NEW_GOLDEN=1 writes the missing ones"


each_file = pytest.mark.parametrize(
    "file",
    sorted(FOLDER.glob("*/*.jsonl")),
    ids=lambda file: f"{file.parent.name}-{file.stem}",
)


def restore(file: Path, message_db: dict[str, Any]) -> dict[str, Any]:
    """Put a file's rows into the database; tells what they meant."""
    first, *lines = file.read_text(encoding="utf-8").splitlines()
    with psycopg.connect(**message_db) as connection:
        for line in lines:
            connection.execute(_RESTORE, json.loads(line))
    means: dict[str, Any] = from_json(first)
    return means


@each_file
def test_a_recorded_thread_still_means_what_it_meant(
    empty: MessageDBClient, message_db: dict[str, Any], file: Path
) -> None:
    means = restore(file, message_db)
    stream = means["stream_name"]

    unread = [
        record.type
        for record in empty.read(stream)
        if isinstance(record.event, UnknownEvent) and lookup(record.type) is not None
    ]
    now = meaning(empty, stream)

    assert unread == []
    assert {name: now[name] for name in means} == means


@each_file
def test_a_recorded_thread_replays_without_divergence(
    empty: MessageDBClient, message_db: dict[str, Any], file: Path
) -> None:
    means = restore(file, message_db)

    assert list(replay(read_history(empty, means["stream_name"]))) == []


@each_file
def test_a_recorded_thread_goes_on(
    empty: MessageDBClient, message_db: dict[str, Any], file: Path
) -> None:
    stream = restore(file, message_db)["stream_name"]
    agent = agent_of([{"text": f"on and on {number}"} for number in range(20)], *TOOLS)
    reopen_session(empty, stream)
    add_message(empty, stream, "do you remember?")

    with AgentThread(empty, stream) as thread:
        thread.resume()
        result = thread.run(agent)
        while result.stop == "waiting":
            approve(empty, stream, result.pending)
            thread.catch_up()
            result = thread.run(agent)

    history = read_history(empty, stream)
    assert (result.stop, (result.response or "")[:9]) == ("done", "on and on")
    assert list(replay(history)) == []
    if file.stem != "forked":  # a history of two streams has the positions of both
        assert violations(history) == []
