"""`kill -9` at random instants: nothing is lost, and nothing happens twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import parse_stream_name
from tests.engine import nursery
from tests.engine.helpers import events_of, is_answered, kinds_of, new_stream, violations

ROUNDS = 20
KILLS_PER_ROUND = 3


class Nursery:
    """Starts copies of one prepared process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def run(self, stream: str, kill_after: float | None = None) -> str:
        """What a copy said; it is killed after so many seconds if it is not done by then."""
        self._in.write(f"{stream}\n")
        self._in.flush()
        pid = int(self._out.readline())
        if kill_after is not None:
            time.sleep(kill_after)  # the instant is to be random, so there is nothing to wait for
            os.kill(pid, signal.SIGKILL)
        self._in.write("\n")
        self._in.flush()
        said = ""
        while not (line := self._out.readline()).startswith("ended"):
            said += line
        return said


@pytest.fixture(scope="module")
def dsn(message_db: dict[str, Any]) -> str:
    with psycopg.connect(**message_db) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bookings (thread text, entry text)")
    return make_conninfo(**message_db)


@pytest.fixture(scope="module")
def copies(dsn: str) -> Iterator[Nursery]:
    process = subprocess.Popen(
        [sys.executable, str(Path(nursery.__file__)), dsn],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process)
        process.kill()


def test_a_thread_survives_being_killed_at_random_instants(
    copies: Nursery, client: MessageDBClient, dsn: str
) -> None:
    began = time.monotonic()
    assert copies.run(new_stream()) == "done: all booked\n"
    usual = time.monotonic() - began
    dice = random.Random(7)
    interrupted = 0

    for _ in range(ROUNDS):
        stream = new_stream()
        for _ in range(KILLS_PER_ROUND):
            interrupted += not copies.run(stream, dice.uniform(0, usual))

        copies.run(stream)

        history = list(client.read(stream))
        kinds = Counter(kinds_of(client, stream))
        assert violations(history) == []
        assert is_answered(events_of(client, stream))
        assert (kinds["LLMResponseReceived"], kinds["UserMessageAdded"]) == (3, 1)
        assert kinds["ToolExecutionCompleted"] + kinds["ToolExecutionFailed"] == 4
        assert bookings(dsn, stream) == ["one", "two"]
    assert interrupted > ROUNDS // 2


def bookings(dsn: str, stream: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "SELECT entry FROM bookings WHERE thread = %s ORDER BY entry",
            (parse_stream_name(stream).thread_id,),
        ).fetchall()
    return [row[0] for row in rows]
