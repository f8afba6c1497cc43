"""Workers that die, freeze, leave, and lose their database."""

from __future__ import annotations

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from messagedb_agent.events.agent import LLMCallFailed, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.system import TurnInterrupted
from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.rounds import STALLED_AFTER_SECONDS
from tests.postgres import controlled_server, throwaway_server
from tests.workers.processes import (
    ANSWER,
    begin,
    check,
    eventually,
    history,
    is_answered,
    of,
    tool_turn,
    workers,
    write_script,
)

RESCUED_WITHIN_SECONDS = 15.0


def answered(store: MessageDBClient, streams: list[str]) -> int:
    return sum(is_answered(store, stream) for stream in streams)


def at_least(store: MessageDBClient, streams: list[str], count: int) -> bool:
    return answered(store, streams) >= count


def all_answered(store: MessageDBClient, streams: list[str]) -> bool:
    return answered(store, streams) == len(streams)


def queued(store: MessageDBClient) -> int:
    with store.connection() as connection:
        row = connection.execute("SELECT count(*) FROM agent_queue.procrastinate_jobs").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.slow
def test_threads_of_dead_and_of_frozen_workers_go_on_elsewhere(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, *tool_turn(calls=3, delay=0.3))
    with workers(3, dsn, script, "--concurrency", "6") as (dying, freezing, living):
        streams = begin(store, 30)
        eventually(lambda: answered(store, streams), 20)
        dying.signal(signal.SIGKILL)
        freezing.signal(signal.SIGSTOP)
        stopped = time.monotonic()

        eventually(lambda: all_answered(store, streams), 30, living.said)
        taken = time.monotonic() - stopped
        freezing.signal(signal.SIGCONT)
        # The frozen one wakes up, and finds that its work is done.
        more = begin(store, 6)
        eventually(lambda: all_answered(store, more), 15, freezing.said)
        eventually(lambda: queued(store) == 0, 15)

    assert taken < RESCUED_WITHIN_SECONDS
    for stream in (*streams, *more):
        check(history(store, stream), tool_calls=3)


def test_a_worker_that_leaves_ends_its_step_and_hands_the_thread_over(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, *tool_turn(calls=2, delay=0.7))
    with workers(1, dsn, script) as (leaving,):
        (stream,) = begin(store, 1)
        eventually(lambda: of(history(store, stream), LLMCallRequested), 10)
        leaving.signal(signal.SIGTERM)
        assert leaving.process.wait(10) == 0, leaving.said()
        left = history(store, stream)
    assert len(of(left, LLMResponseReceived)) == len(of(left, LLMCallRequested)) == 1
    assert queued(store) == 1

    with workers(1, dsn, script):
        eventually(lambda: is_answered(store, stream), 15)
    done = history(store, stream)
    assert len(of(done, LLMCallRequested)) == 3, "no model call was begun twice"
    check(done, tool_calls=2)


def test_what_outlasts_the_grace_is_begun_again_elsewhere(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, {"text": ANSWER, "delay_seconds": 60})
    with workers(2, dsn, script, "--grace", "0.2") as pair:
        (stream,) = begin(store, 1)
        eventually(lambda: of(history(store, stream), LLMCallRequested), 10)
        driver = eventually(lambda: _busy(store), 5)
        leaving = next(worker for worker in pair if worker.process.pid == driver)
        leaving.signal(signal.SIGTERM)
        assert leaving.process.wait(5) == 0
        assert "others go on" in leaving.said()
        eventually(lambda: len(of(history(store, stream), LLMCallRequested)) == 2, 10)
        other = next(worker for worker in pair if worker is not leaving)
        assert _busy(store) == other.process.pid

    assert of(history(store, stream), TurnInterrupted, LLMCallFailed) == []


def _busy(store: MessageDBClient) -> int | None:
    with store.connection() as connection:
        row = connection.execute(
            "SELECT pid FROM agent_queue.instances "
            "JOIN agent_queue.procrastinate_jobs USING (worker_id)"
        ).fetchone()
    return int(row[0]) if row else None


def test_workers_outlive_their_database_server(tmp_path: Path) -> None:
    script = write_script(tmp_path, *tool_turn(calls=2, delay=0.3))
    with throwaway_server() as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            schema.install(connection)
            # The throwaway server forgets the last moments in a crash, unless it is asked not to.
            connection.execute("ALTER DATABASE postgres SET synchronous_commit = on")
        with (
            MessageDBClient({"dbname": dsn}) as store,
            workers(2, dsn, script, "--concurrency", "5") as pair,
        ):
            streams = begin(store, 12)
            for some in (1, 5):
                eventually(partial(at_least, store, streams, some), 20, pair[0].said)
                _crash(dsn)
            more = begin(store, 4)
            eventually(lambda: all_answered(store, [*streams, *more]), 30, pair[0].said)
            eventually(lambda: queued(store) == 0, 10, pair[0].said)
            assert [worker.process.poll() for worker in pair] == [None, None]
            for stream in (*streams, *more):
                check(history(store, stream), tool_calls=2)


def _crash(dsn: str) -> None:
    """End the server's processes as a crash does: it recovers and takes connections again."""
    connection = eventually(lambda: _connection(dsn), 10)
    os.kill(connection.info.backend_pid, signal.SIGKILL)
    connection.close()


def _connection(dsn: str) -> psycopg.Connection[Any] | None:
    try:
        return psycopg.connect(dsn)
    except psycopg.OperationalError:
        return None


@pytest.mark.slow
def test_after_a_long_outage_workers_do_not_take_each_other_for_dead(tmp_path: Path) -> None:
    script = write_script(tmp_path, {"text": ANSWER, "delay_seconds": 16})
    with controlled_server() as server:
        with psycopg.connect(server.dsn) as connection:
            schema.install(connection)
        with (
            MessageDBClient({"dbname": server.dsn}) as store,
            workers(3, server.dsn, script, "--concurrency", "1") as three,
        ):
            streams = begin(store, 3)
            eventually(
                lambda: all(of(history(store, each), LLMCallRequested) for each in streams), 9
            )
            server.stop(signal.SIGINT)
            time.sleep(STALLED_AFTER_SECONDS + 2)
            server.start()
            eventually(lambda: all_answered(store, streams), 40, three[0].said)
            claims = [len(of(history(store, each), LLMCallRequested)) for each in streams]

    assert claims == [1, 1, 1], "a call that goes on was given up"
