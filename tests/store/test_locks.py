"""One driver for each thread, however it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from messagedb_agent.errors import ThreadBusyError
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.locks import lock_key
from tests.waiting import wait_until

HOLDER = """
import sys
from messagedb_agent.store.client import MessageDBClient

client = MessageDBClient({"dbname": sys.argv[1]})
client.open()
lock = client.lock(sys.argv[2])
print("held", flush=True)
sys.stdin.read()
"""


def new_stream() -> str:
    return f"locks:v0-{uuid4()}"


def holder_of(stream: str, message_db: dict[str, Any]) -> subprocess.Popen[str]:
    """Another process that has the lock of a stream."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, make_conninfo(**message_db), stream],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def is_free(client: MessageDBClient, stream: str) -> bool:
    try:
        client.lock(stream).release()
    except ThreadBusyError:
        return False
    return True


def test_the_holder_is_named_and_its_death_frees_the_lock(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = new_stream()
    with holder_of(stream, message_db) as process:
        with pytest.raises(ThreadBusyError, match="is being driven by") as busy:
            client.lock(stream)
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert f":{process.pid}" in str(busy.value)
        wait_until(lambda: is_free(client, stream))


def test_a_stopped_holder_keeps_its_lock(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = new_stream()
    with holder_of(stream, message_db) as process:
        process.send_signal(signal.SIGSTOP)

        assert not is_free(client, stream)
        process.kill()


def test_a_lock_whose_session_was_ended_is_known_to_be_lost(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = new_stream()
    lock = client.lock(stream)
    with psycopg.connect(**message_db, autocommit=True) as outside:
        outside.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks"
            " WHERE locktype = 'advisory' AND (classid::bigint << 32) + objid::bigint = %s",
            (lock_key(stream),),
        )

    assert not lock.is_held()
    again = client.lock(stream)
    assert (lock.is_held(), again.is_held()) == (False, True)


def test_all_locks_of_a_process_share_one_session(message_db: dict[str, Any]) -> None:
    streams = [new_stream() for _ in range(5)]
    with MessageDBClient(message_db) as client:
        locks = [client.lock(stream) for stream in streams]
        with psycopg.connect(**message_db, autocommit=True) as outside:
            row = outside.execute(
                "SELECT count(DISTINCT pid), count(*) FROM pg_locks WHERE locktype = 'advisory'"
                " AND (classid::bigint << 32) + objid::bigint = ANY(%s)",
                (list(map(lock_key, streams)),),
            ).fetchone()

        assert row == (1, 5)
        assert all(lock.is_held() for lock in locks)


def test_closing_a_store_frees_its_locks(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = new_stream()
    with MessageDBClient(message_db) as other:
        other.lock(stream)

    wait_until(lambda: is_free(client, stream))


def test_two_stores_in_one_process_exclude_each_other(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = new_stream()
    with MessageDBClient(message_db) as other:
        other.lock(stream)

        assert not is_free(client, stream)


def test_lock_keys_stay_within_what_the_server_takes_and_differ() -> None:
    keys = {lock_key(new_stream()) for _ in range(100)}

    assert len(keys) == 100
    assert all(0 <= key < 1 << 63 for key in keys)
