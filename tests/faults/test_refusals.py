"""A server that is there and does not do what it is asked: it is waited for, and told about."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events import UserMessageAdded
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store import schema
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.patience import Vigil
from tests.acceptance.conftest import Cli
from tests.acceptance.test_faults import wait_for
from tests.postgres import ThrowawayServer, controlled_server
from tests.warm import Warm

PATIENCE = 20.0
LONG = os.urandom(400_000).hex()
"""A text that takes up the room that it has, however it is stored."""


@pytest.fixture(scope="module")
def server() -> Iterator[ThrowawayServer]:
    with controlled_server(max_connections="12", superuser_reserved_connections="0") as server:
        with psycopg.connect(server.dsn) as connection:
            schema.install(connection)
        yield server


@contextmanager
def out_of_connections(server: ThrowawayServer) -> Iterator[Callable[[], object]]:
    """All that the server has are taken, also those that were not in use right then."""
    with ExitStack() as taken:
        first = taken.enter_context(psycopg.connect(server.dsn, autocommit=True))
        first.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name LIKE 'messagedb-agent %'"
        )
        with suppress(psycopg.OperationalError):
            while True:
                taken.enter_context(psycopg.connect(server.dsn))
        yield taken.close


@contextmanager
def read_only(server: ThrowawayServer) -> Iterator[Callable[[], object]]:
    """Nobody may write, as on a standby."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:

        def end() -> None:
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")

        connection.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        connection.execute("SELECT pg_reload_conf()")
        while connection.execute("SHOW transaction_read_only").fetchone() != ("on",):
            pass
        connection.execute("SET default_transaction_read_only = off")
        try:
            yield end
        finally:
            end()


@contextmanager
def disk_full(server: ThrowawayServer) -> Iterator[Callable[[], object]]:
    """The messages are on a disk with little room, of which somebody else has taken the rest."""
    folder = Path(str(conninfo_to_dict(server.dsn)["host"])) / "small"
    folder.mkdir(exist_ok=True)
    shutil.chown(folder, folder.parent.stat().st_uid, folder.parent.stat().st_gid)
    options = f"size=16m,uid={folder.stat().st_uid},mode=0700"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if (
        shutil.which("mount") is None
        or subprocess.run(mount, capture_output=True, check=False).returncode
    ):
        pytest.skip("a small disk is made by mounting one, which takes root")
    try:
        (folder / "space").mkdir()
        shutil.chown(folder / "space", folder.stat().st_uid)
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{folder / 'space'}'".encode())
            connection.execute("ALTER TABLE message_store.messages SET TABLESPACE small")
            filler = folder / "filler"
            with suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 16))
            try:
                yield filler.unlink
            finally:
                filler.unlink(missing_ok=True)
                connection.execute("ALTER TABLE message_store.messages SET TABLESPACE pg_default")
                connection.execute("DROP TABLESPACE small")
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


TROUBLES = {
    "out of connections": (out_of_connections, "too many clients"),
    "read only": (read_only, "read-only transaction"),
    "disk full": (disk_full, "No space left"),
}

each_trouble = pytest.mark.parametrize(("trouble", "says"), TROUBLES.values(), ids=list(TROUBLES))
Trouble: TypeAlias = Callable[[ThrowawayServer], AbstractContextManager[Callable[[], object]]]


def new_stream() -> str:
    return f"refused:v0-{uuid4()}"


def said(text: str) -> NewEvent:
    return NewEvent(event=UserMessageAdded(message=text))


@each_trouble
def test_trouble_that_stays_ends_the_work_with_one_line(
    server: ThrowawayServer, trouble: Trouble, says: str
) -> None:
    told: list[str] = []
    stream = new_stream()
    with MessageDBClient(
        conninfo_to_dict(server.dsn), patience_seconds=0.5, on_wait=told.append
    ) as client:
        with trouble(server), pytest.raises(StoreUnavailableError, match=says) as raised:
            client.append(stream, [said(LONG)])

        assert client.version(stream) == -1
    assert len(str(raised.value).splitlines()) == 1
    assert len(told) == 1
    assert says in told[0]


@each_trouble
def test_a_run_waits_for_trouble_to_end_and_goes_on(
    server: ThrowawayServer, trouble: Trouble, says: str
) -> None:
    told: list[str] = []
    waiting = threading.Event()

    def on_wait(reason: str) -> None:
        told.append(reason)
        waiting.set()

    answers = ScriptedModel([{"text": LONG}], repeat=True)
    stream = new_stream()
    with (
        MessageDBClient(conninfo_to_dict(server.dsn), on_wait=on_wait) as client,
        AgentThread(client, stream) as thread,
        ThreadPoolExecutor() as pool,
    ):
        thread.start("hi")
        thread.commit()
        with trouble(server) as end:
            result = pool.submit(thread.run, Agent(llm=answers))
            if not waiting.wait(PATIENCE):
                result.result(0)
            end()
            assert result.result(PATIENCE).response == LONG
        kinds = [record.type for record in client.read(stream)]
    assert says in told[0]
    assert (kinds.count("LLMCallRequested"), kinds.count("LLMResponseReceived")) == (1, 1)
    assert len(answers.requests) == 1


def test_a_command_says_on_stderr_what_it_waits_for_and_goes_on(
    warm: Warm, server: ThrowawayServer, tmp_path: Path
) -> None:
    cli = Cli(warm, server.dsn, tmp_path)
    with read_only(server) as end:
        started = cli.start("start", "hi", "--model", cli.script("m", {"text": "done"}))
        assert started.stderr is not None
        started.stderr.readline()  # the thread
        line = started.stderr.readline().decode()
        end()
        out, err = started.communicate(timeout=60)

    assert "read-only transaction" in line
    assert "waiting for it" in line
    assert (started.returncode, out.decode().strip()) == (0, "done")
    assert "Traceback" not in err.decode()


def test_a_second_ctrl_c_leaves_at_once_and_the_thread_goes_on(
    warm: Warm, server: ThrowawayServer, tmp_path: Path
) -> None:
    cli = Cli(warm, server.dsn, tmp_path)
    slow = cli.script("slow", {"text": "done", "delay_seconds": 60})
    started = cli.start("start", "hi", "--thread-id", "twice", "--model", slow)
    wait_for(cli, "twice", "LLMCallRequested")
    with read_only(server):
        # The first one ends the model call; what became of it can't be written down.
        started.send_signal(signal.SIGINT)
        assert started.stderr is not None
        while b"waiting for it" not in started.stderr.readline():
            assert started.poll() is None
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=10)
    assert started.returncode == 130

    quick = cli.script("quick", {"text": "done"})
    assert cli.ask("continue", "twice", "--model", quick)["response"] == "done"


def test_a_server_that_is_stopped_is_told_about_and_waited_for(server: ThrowawayServer) -> None:
    stream, waiting = new_stream(), threading.Event()
    with (
        MessageDBClient(conninfo_to_dict(server.dsn)) as client,
        ThreadPoolExecutor() as pool,
    ):
        client._vigil = Vigil(lambda _reason: waiting.set(), tell=0.1)
        client.append(stream, [said("before")])
        server.pause()
        try:
            writing = pool.submit(client.append, stream, [said("after")], expected_version=0)
            assert waiting.wait(PATIENCE)
        finally:
            server.resume()
        writing.result(PATIENCE)

        assert [record.position for record in client.read(stream)] == [0, 1]


def test_a_server_that_stays_stopped_is_not_waited_for_without_end(server: ThrowawayServer) -> None:
    told: list[str] = []
    with MessageDBClient(conninfo_to_dict(server.dsn), patience_seconds=0) as client:
        client._vigil = Vigil(told.append, tell=0.1, cut=0.3)
        client.version("a-b")
        server.pause()
        try:
            with pytest.raises(StoreUnavailableError) as raised:
                client.version("a-b")
        finally:
            server.resume()

        assert client.version("a-b") == -1
    assert len(str(raised.value).splitlines()) == 1
    assert len(told) == 1
