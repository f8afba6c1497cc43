"""Workers drive threads in whatever shard they began; a job carries the name of the stream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.session import start_session
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.limits import Limit, slots
from messagedb_agent.workers.queue import QueueingStore
from messagedb_agent.workers.schema import install
from tests.workers.processes import (
    check,
    eventually,
    history,
    is_answered,
    tool_turn,
    workers,
    write_script,
)
from tests.workers.test_commands import cli

SHARDS = 4


def begin(store: MessageDBClient, thread_id: str) -> str:
    start_session(QueueingStore(store), "Go.", thread_id=thread_id, shards=SHARDS)
    return build_stream_name("agent", "v0", thread_id, SHARDS)


def queued(store: MessageDBClient) -> list[Any]:
    query = "SELECT lock FROM agent_queue.procrastinate_jobs ORDER BY lock"
    with store.connection() as connection:
        return [row[0] for row in connection.execute(query)]


def test_threads_of_all_shards_are_driven(dsn: str, store: MessageDBClient, tmp_path: Path) -> None:
    script = write_script(tmp_path, *tool_turn(calls=1, delay=0), {"text": "Again!"})
    with workers(2, dsn, script):
        streams = [begin(store, str(number)) for number in range(12)]
        options = ("--no-wait", "--shards", str(SHARDS), "--format", "json")
        said = json.loads(cli(dsn, tmp_path, "start", "Go.", "--thread-id", "one", *options))
        streams += [said["stream_name"], begin(store, "another")]
        eventually(lambda: all(is_answered(store, stream) for stream in streams), 30)
        followed = cli(dsn, tmp_path, "message", "one", "Again.", "--no-wait", "--follow")

    assert said["stream_name"] == build_stream_name("agent", "v0", "one", SHARDS)
    assert len({stream.partition("-")[0] for stream in streams}) == SHARDS
    for stream in streams:
        if stream != said["stream_name"]:
            check(history(store, stream), tool_calls=1)
    assert "Again!" in followed


def test_the_first_worker_finds_what_was_left_in_any_shard(store: MessageDBClient) -> None:
    streams = sorted(begin(store, str(number)) for number in range(8))

    with store.connection() as connection:
        install(connection, "agent:v0")

    assert queued(store) == streams


@pytest.mark.parametrize(("pattern", "left"), [("category:agent", True), ("category:other", False)])
def test_a_limit_on_a_category_counts_all_of_its_shards(
    queue: MessageDBClient,
    pattern: str,
    left: bool,
) -> None:
    start_session(queue, "Go.", thread_id="a", shards=SHARDS)
    stream, limit = build_stream_name("agent", "v0", "a", SHARDS), Limit(pattern, 1)

    def agent_for(_state: ThreadState) -> Agent:
        return Agent(llm=ScriptedModel([{"text": "Hello."}], "scripted"))

    with slots(queue, [limit], "scripted", pattern.removeprefix("category:")):
        Driver(queue, agent_for, limits=[limit]).drive(stream)

    assert is_answered(queue, stream, "Hello.") is not left
    assert queued(queue) == ([stream] if left else [])
