"""Leaving work to a worker from the command line, and watching it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import quick_connection
from messagedb_agent.workers.queue import QueueingStore, hint, wait_for_slot
from messagedb_agent.workers.status import Overview, overview
from tests.workers.processes import begin, workers, write_script

TEXT = "one two three four five"


def start_cli(dsn: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DATABASE_URL": dsn,
        "MESSAGEDB_AGENT_HOME": str(folder / "home"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "messagedb_agent.cli", *arguments],
        env=environ, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def cli(dsn: str, folder: Path, *arguments: str) -> str:
    process = start_cli(dsn, folder, *arguments)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out


def seen_by(dsn: str) -> Overview:
    with quick_connection({"dbname": dsn}) as connection:
        return overview(connection)


def test_an_answer_is_followed_from_two_terminals(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, {"text": "Yes?"}, {"text": TEXT, "chunk_delay_seconds": 0.1})
    follow = ("--no-wait", "--follow", "--format", "json")
    with workers(1, dsn, script):
        thread = json.loads(cli(dsn, tmp_path, "start", "Hello.", *follow))["thread_id"]
        with start_cli(dsn, tmp_path, "show", thread, "--follow") as watching:
            assert watching.stdout is not None
            first = list(iter(watching.stdout.readline, "· done\n"))
            (instance,) = seen_by(dsn).instances
            result = json.loads(cli(dsn, tmp_path, "message", thread, "Count.", *follow))
            cli(dsn, tmp_path, "end", thread)
            second = watching.communicate(timeout=20)[0].splitlines()

    assert first[-1].endswith("assistant > Yes?\n")
    assert (instance.concurrency, instance.is_stalled) == (10, False)
    assert (result["stop"], result["response"]) == ("done", TEXT)
    assert TEXT in second, "it was written as it came"
    assert second.count("· done") == 1
    assert second[-1] == "· ended"


def test_what_is_ephemeral_can_be_told_from_events(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    lines = "import time; [print(n, flush=True) or time.sleep(0.2) for n in range(5)]"
    command = {"name": "run_command", "arguments": {"argv": [sys.executable, "-c", lines]}}
    answer = {"text": TEXT, "chunk_delay_seconds": 0.1}
    script = write_script(tmp_path, {"text": "Yes?"}, {"tool_calls": [command]}, answer)
    with workers(1, dsn, script, "--auto-approve"):
        follow = ("--no-wait", "--follow", "--format", "json")
        thread = json.loads(cli(dsn, tmp_path, "start", "Hello.", *follow))["thread_id"]
        with start_cli(dsn, tmp_path, "show", thread, "--follow", "--format", "jsonl") as watching:
            assert watching.stdout is not None
            begun = [json.loads(watching.stdout.readline()) for _ in range(6)]
            cli(dsn, tmp_path, "message", thread, "Run it.", *follow)
            cli(dsn, tmp_path, "rename", thread, "A title")
            cli(dsn, tmp_path, "end", thread)
            told = [json.loads(line) for line in watching.communicate(timeout=20)[0].splitlines()]

    assert begun[-1] == {"type": "stop", "stop": "done"}
    ephemeral = [each for each in told if "position" not in each]
    assert [each["stop"] for each in ephemeral if each["type"] == "stop"] == ["done", "ended"]
    assert "".join(each["text"] for each in ephemeral if each["type"] == "delta") == TEXT
    progress = [each for each in ephemeral if each["type"] == "progress"]
    assert {each["tool_name"] for each in progress} == {"run_command"}
    assert all(each["type"][0].islower() for each in ephemeral)
    assert all("id" in each and each["type"][0].isupper() for each in told if "position" in each)


def test_what_waits_is_shown(queue: MessageDBClient, dsn: str) -> None:
    (stream,) = begin(queue, 1)
    found = seen_by(dsn)

    assert (found.ready, found.blocked, found.scheduled) == (1, 0, 0)
    assert [job.thread for job in found.waiting] == [stream.partition("-")[2]]
    assert found.waiting[0].last_event == "UserMessageAdded"


def test_what_waits_for_its_time_says_when_that_is(queue: MessageDBClient, dsn: str) -> None:
    with queue.connection() as connection:
        hint(connection, "agent:v0-later", delay=3600.0)
    found = seen_by(dsn)

    assert (found.ready, found.scheduled) == (0, 1)
    (job,) = found.waiting
    assert job.due_in_seconds is not None
    assert 3500 < job.due_in_seconds <= 3600


def test_what_workers_do_is_shown_however_much_waits(queue: MessageDBClient, dsn: str) -> None:
    begin(queue, 1)
    with queue.connection() as connection:
        connection.execute("SET search_path = agent_queue, public")
        connection.execute(
            "WITH worker AS (INSERT INTO procrastinate_workers DEFAULT VALUES RETURNING id),"
            " named AS (INSERT INTO instances SELECT id, 'one', 'here', 1, 'agents', 1 FROM worker)"
            " UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM worker)"
        )
        connection.execute("SELECT hint('agent:v0-w' || n) FROM generate_series(1, 1100) AS n")
        connection.execute("RESET search_path")
    found = seen_by(dsn)

    assert found.ready == 1100
    assert [len(instance.jobs) for instance in found.instances] == [1]
    assert len(found.waiting) == 50


def a_worker_died(queue: MessageDBClient, seconds_ago: int) -> None:
    """One that had begun with all that there was to do."""
    with queue.connection() as connection, connection.transaction():
        connection.execute("SET LOCAL search_path = agent_queue, public")
        connection.execute(
            "WITH worker AS (INSERT INTO procrastinate_workers (last_heartbeat)"
            " VALUES (now() - make_interval(secs => %s)) RETURNING id),"
            " named AS (INSERT INTO instances SELECT id, 'dead', 'h', 1, 'agents', 3 FROM worker)"
            " UPDATE procrastinate_jobs SET status = 'doing', worker_id = (SELECT id FROM worker)",
            (seconds_ago,),
        )


def rescue(queue: MessageDBClient) -> None:
    """What the other workers do in their rounds."""
    with queue.connection() as connection:
        connection.execute("SELECT agent_queue.rescue(8)")


def test_a_dead_worker_is_stalled_until_others_have_its_threads_and_gone_then(
    queue: MessageDBClient, dsn: str, tmp_path: Path
) -> None:
    begin(queue, 1)
    a_worker_died(queue, seconds_ago=12)
    (instance,) = seen_by(dsn).instances
    assert (instance.is_stalled, instance.is_gone) == (True, False)
    shown = cli(dsn, tmp_path, "workers")
    assert "dead  stalled, no heartbeat for" in shown
    assert "others will take its threads" in shown
    assert "no worker runs; `./cli worker` starts one" in shown

    rescue(queue)
    (instance,) = seen_by(dsn).instances
    assert (instance.is_stalled, instance.is_gone, instance.jobs) == (True, True, ())
    assert "dead  gone, no heartbeat for" in cli(dsn, tmp_path, "workers")


def test_a_dead_worker_is_listed_while_it_has_threads_and_half_a_minute(
    queue: MessageDBClient, dsn: str
) -> None:
    begin(queue, 1)
    a_worker_died(queue, seconds_ago=40)
    assert [instance.is_stalled for instance in seen_by(dsn).instances] == [True]

    rescue(queue)
    assert seen_by(dsn).instances == ()


def test_what_waits_for_a_slot_says_of_which_limit(
    queue: MessageDBClient, dsn: str, tmp_path: Path
) -> None:
    with queue.connection() as connection:
        wait_for_slot(connection, "agent:v0-full", "claude-*", None, 30.0)
        hint(connection, "agent:v0-later", delay=3600.0)
    found = seen_by(dsn)

    assert (found.ready, found.limited, found.scheduled) == (0, 1, 1)
    assert [job.waits_for for job in found.waiting] == ["claude-*", None]
    shown = cli(dsn, tmp_path, "workers")
    assert "1 for a slot of a limit" in shown
    assert " for a slot of claude-*, last event none" in shown


def test_without_a_queue_there_is_nothing_to_show(store: MessageDBClient, dsn: str) -> None:
    begin(store, 1)
    shown: dict[str, Any] = seen_by(dsn).as_object()

    assert not shown["instances"]
    assert not shown["waiting"]
    assert QueueingStore(store).hint("agent:v0-one") is False
