"""`./cli subscribe` as a process of its own, on a database that others write to."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.cli.parser import build_parser
from messagedb_agent.events import SessionStarted, UserMessageAdded
from messagedb_agent.store import MessageDBClient
from messagedb_agent.store.base import NewEvent
from tests import message_db
from tests.subscriber.history import PATIENCE_SECONDS, write

dsn = message_db.dsn
store = message_db.store
category = message_db.category

SOURCE = Path(__file__).parents[2] / "src"


class Cli:
    """Runs `subscribe` for one category of one database."""

    def __init__(self, dsn: str, category: str) -> None:
        self._dsn = dsn
        name, _, version = category.partition(":")
        self._common = ["--category", name, "--version", version]

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        command = [sys.executable, "-m", "messagedb_agent.cli", "subscribe", *self._common]
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE), "DATABASE_URL": self._dsn},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with self.started(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def lines(self, *arguments: str) -> list[str]:
        done = self.run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines("--format", "json", *arguments)]

    def wait_until_listening(self, process: subprocess.Popen[str]) -> None:
        """What is written from now on is new to the process."""
        pause = threading.Event()
        query = (
            "SELECT 1 FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN %%' AND application_name LIKE %s"
        )
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            for _ in range(int(PATIENCE_SECONDS / 0.02)):
                if connection.execute(query, (f"%:{process.pid}",)).fetchone():
                    return
                assert process.poll() is None
                pause.wait(0.02)
        pytest.fail("it does not listen")


@pytest.fixture
def cli(dsn: str, category: str) -> Cli:
    return Cli(dsn, category)


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], PATIENCE_SECONDS)
    assert readable
    return process.stdout.readline()


def test_all_of_a_category_from_the_start(cli: Cli, store: MessageDBClient, category: str) -> None:
    (first,) = write(store, f"{category}-one", "Hello")
    write(store, f"{category}-two", "And\nhello\x1b[31m too")

    lines = cli.lines("--from-start", "--limit", "2")
    objects = cli.objects("--from-start", "--limit", "2")

    assert lines[0].endswith(" one user: Hello")
    assert lines[1].endswith(r" two user: And hello\x1b[31m too")
    assert objects[0] == {
        "id": first.id,
        "stream_name": f"{category}-one",
        "type": "UserMessageAdded",
        "position": 0,
        "global_position": first.global_position,
        "time": f"{first.time.isoformat()}Z",
        "data": {"message": "Hello", "timestamp": "2026-01-02T03:04:05Z"},
    }


def test_only_what_is_new_until_interrupted(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-one", "old")

    with cli.started() as process:
        cli.wait_until_listening(process)
        write(store, f"{category}-one", "new")
        assert line_of(process).endswith(" one user: new\n")
        process.send_signal(signal.SIGINT)

        assert process.wait(PATIENCE_SECONDS) == 0
        assert process.communicate() == ("", "")


def test_a_thread_by_a_beginning_of_its_id_and_by_its_own_positions(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-1234-5678", "0", "1", "2")
    write(store, f"{category}-abc", "of another thread")

    for target in ("1234", f"{category}-1234-5678"):
        found = cli.objects(target, "--from", "1", "--limit", "2")
        assert [each["data"]["message"] for each in found] == ["1", "2"]


def test_another_category_may_be_given(cli: Cli, store: MessageDBClient, category: str) -> None:
    write(store, f"{category}x-one", "elsewhere")

    (found,) = cli.objects(f"{category}x", "--from-start", "--limit", "1")

    assert found["data"]["message"] == "elsewhere"


def test_types_correlation_and_group_narrow_it(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    event = NewEvent(
        event=UserMessageAdded(message="caused", timestamp=""),
        metadata={"correlationStreamName": "orders-1"},
    )
    store.append(f"{category}-one", [NewEvent(event=SessionStarted(thread_id="one")), event])
    write(store, f"{category}-one", "last")

    by_type = cli.objects("--from-start", "--event-types", "UserMessageAdded", "--limit", "2")
    (correlated,) = cli.objects(
        "--from-start", "--correlation", "orders", "--group", "0/1", "--limit", "1"
    )

    assert [each["data"]["message"] for each in by_type] == ["caused", "last"]
    assert correlated["id"] == event.id


def test_it_ends_quietly_when_nobody_reads(cli: Cli, store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-one", "only")

    with cli.started("--from-start", "--format", "pretty") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line_of(process)
        process.stdout.close()

        assert process.wait(PATIENCE_SECONDS) == 0
        assert process.stderr.read() == ""


def test_it_survives_a_database_that_goes_away(
    cli: Cli, store: MessageDBClient, category: str, dsn: str
) -> None:
    name = conninfo_to_dict(dsn)["dbname"]
    elsewhere = psycopg.conninfo.make_conninfo(dsn, dbname="postgres")

    with (
        cli.started("--from-start") as process,
        psycopg.connect(elsewhere, autocommit=True) as connection,
    ):
        write(store, f"{category}-one", "before")
        assert line_of(process).endswith("before\n")
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (name,),
        )
        write(store, f"{category}-one", "after")
        assert line_of(process).endswith("after\n")

        began = time.monotonic()
        process.terminate()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--group", "3/3"),
        ("--group", "one"),
        ("--from", "-1"),
        ("--from", "1", "--from-start"),
        ("--event-types", ","),
        ("--limit", "0"),
        ("--format", "yaml"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        build_parser().parse_args(["subscribe", *arguments])

    said = capsys.readouterr()
    assert leaving.value.code == 2
    assert said.out == ""
    assert said.err.startswith("messagedb-agent: ")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("nosuchthread",), "there is no thread nosuchthread"),
        (("--correlation", "has-dash"), "'has-dash' is not a correlation"),
    ],
)
def test_what_can_not_be_followed_is_one_line_as_well(
    cli: Cli, arguments: tuple[str, ...], reason: str
) -> None:
    done = cli.run(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"messagedb-agent: {reason}")
    assert done.stderr.count("\n") == 1


def test_a_category_is_followed_with_its_shards(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    shard = f"{category.removesuffix(':v0')}+03:v0"
    write(store, f"{shard}-abc", "1", "2")
    write(store, f"{category}-def", "3")
    everything = ("--from-start", "--limit", "3")

    for target in ((), (category,)):
        found = cli.objects(*target, *everything)
        assert [event["data"]["message"] for event in found] == ["3", "1", "2"]
    for target in ((shard,), ("abc",), ("ab",), (f"{shard}-abc",)):
        found = cli.objects(*target, "--from-start", "--limit", "2")
        assert [event["stream_name"] for event in found] == [f"{shard}-abc"] * 2


def test_what_begins_in_a_new_shard_is_followed(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-a", "old")
    with cli.started("--limit", "1", "--format", "json") as process:
        cli.wait_until_listening(process)
        write(store, f"{category.removesuffix(':v0')}+03:v0-b", "new")
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)

    assert json.loads(out)["data"]["message"] == "new"
