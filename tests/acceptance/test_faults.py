"""Killed, interrupted, raced: what the stream says then, and that the thread goes on."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.conftest import Cli
from tests.waiting import wait_until

SLOW = [
    {"tool_calls": [{"name": "echo", "arguments": {"text": "a"}}], "delay_seconds": 0.5},
    {"text": "done", "delay_seconds": 0.5},
]


def wait_for(cli: Cli, thread: str, event_type: str, count: int = 1) -> None:
    """Until so many events of a type are in the stream; asked in the database itself."""
    query = """
        SELECT count(*) >= %s FROM message_store.messages WHERE stream_name = %s AND type = %s
    """
    waiting = threading.Event()
    with psycopg.connect(cli.database, autocommit=True) as connection:
        for _ in range(1000):
            row = connection.execute(query, (count, f"agent:v0-{thread}", event_type)).fetchone()
            if row and row[0]:
                return
            waiting.wait(0.02)
    raise AssertionError(f"no {event_type} came")


def assert_orderly(events: list[dict[str, Any]]) -> None:
    """Gapless, and each tool call with exactly one outcome."""
    assert [event["position"] for event in events] == list(range(len(events)))
    outcomes = Counter(
        event["metadata"]["tool_call_id"]
        for event in events
        if event["type"] in ("ToolExecutionCompleted", "ToolExecutionFailed")
    )
    asked = [
        call["id"]
        for event in events
        if event["type"] == "LLMResponseReceived"
        for call in event["data"]["tool_calls"]
    ]
    assert outcomes == Counter(asked)


@pytest.mark.parametrize(
    "at", ["LLMCallRequested", "LLMResponseReceived", "ToolExecutionCompleted"]
)
def test_a_killed_run_is_taken_up_where_it_was(cli: Cli, at: str) -> None:
    model = cli.script("slow", *SLOW)
    started = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", at)
    started.kill()
    started.communicate()

    result = cli.ask("continue", "t")

    assert result["response"] == "done"
    events = cli.events("t", "--full")
    assert_orderly(events)
    assert sum(event["type"] == "LLMResponseReceived" for event in events) == 2


def test_ctrl_c_ends_the_turn_with_an_event_and_exit_code_130(cli: Cli) -> None:
    model = cli.script("slow", {"text": "never", "delay_seconds": 60})
    started = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", "LLMCallRequested")

    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=10)

    assert started.returncode == 130
    assert "Traceback" not in err.decode()
    assert cli.types("t")[-2:] == ["LLMCallFailed", "TurnInterrupted"]
    assert cli("list", "--format", "json").json()[0]["status"] == "interrupted"


def test_an_interrupted_thread_goes_on_when_it_is_continued(cli: Cli) -> None:
    model = cli.script("slow", *SLOW)
    started = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", "LLMCallRequested")
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=10)

    assert cli.ask("continue", "t")["response"] == "done"
    assert_orderly(cli.events("t", "--full"))


def running(group: int) -> list[str]:
    """The processes of a group that are not dead."""
    stats = []
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(FileNotFoundError, ProcessLookupError):
            stats.append(file.read_text().rpartition(")")[2].split())
    return [state for state, _parent, found, *_ in stats if int(found) == group and state != "Z"]


def group_in(file: Path) -> int:
    wait_until(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["polite", "stubborn"])
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_kills_the_whole_process_group_of_a_command(
    cli: Cli, trap: str, presses: int
) -> None:
    program = f"{trap} echo $$ > group; sleep 60 & sleep 61"
    nap = {"name": "run_command", "arguments": {"argv": ["sh", "-c", program]}}
    model = cli.script("nap", {"tool_calls": [nap]}, {"text": "done"})
    started = cli.start("start", "go", "--thread-id", "t", "--model", model, "--auto-approve")
    group = group_in(cli.folder / "group")

    for _ in range(presses):
        started.send_signal(signal.SIGINT)
    started.communicate(timeout=10)

    assert started.returncode == 130
    wait_until(lambda: not running(group))
    if presses == 1:
        assert cli.types("t")[-2:] == ["ToolExecutionFailed", "TurnInterrupted"]


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"], ids=["polite", "stubborn"])
def test_a_limit_kills_the_whole_process_group_of_a_command(cli: Cli, trap: str) -> None:
    program = f"{trap} echo $$ > group; sleep 60 & sleep 61"
    nap = {"name": "run_command", "arguments": {"argv": ["sh", "-c", program]}}
    model = cli.script("nap", {"tool_calls": [nap]}, {"text": "done"})

    ended = cli.cold("start", "go", "--model", model, "--auto-approve", "--max-step-seconds", "1")

    assert ended.code == 4
    wait_until(lambda: not running(group_in(cli.folder / "group")))


def test_a_turn_can_be_interrupted_from_another_terminal(cli: Cli) -> None:
    model = cli.script("slow", {"text": "never", "delay_seconds": 60})
    started = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", "LLMCallRequested")

    assert cli("interrupt", "t").code == 0
    started.communicate(timeout=10)

    assert started.returncode == 130
    assert cli.types("t")[-1] == "TurnInterrupted"


def test_a_second_process_follows_the_one_that_drives(cli: Cli) -> None:
    model = cli.script("slow", {"text": "one", "delay_seconds": 4}, {"text": "two"})
    first = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", "LLMCallRequested")

    second = cli("message", "t", "and this", "--model", model)
    first.communicate(timeout=20)

    assert (first.returncode, second.code) == (0, 0)
    assert "two" in second.out
    assert cli.types("t")[3:] == [
        "LLMCallRequested",
        "UserMessageAdded",
        "LLMResponseReceived",
        "LLMCallRequested",
        "LLMResponseReceived",
    ]


def test_no_follow_leaves_with_exit_code_5_and_the_message_is_kept(cli: Cli) -> None:
    model = cli.script("slow", {"text": "one", "delay_seconds": 4}, {"text": "two"})
    first = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", "LLMCallRequested")

    second = cli("message", "t", "and this", "--model", model, "--no-follow")
    first.communicate(timeout=20)

    assert second.code == 5
    said = [e["data"]["message"] for e in cli.events("t") if e["type"] == "UserMessageAdded"]
    assert said == ["go", "and this"]


def test_of_eight_processes_that_continue_one_drives_and_all_answer(cli: Cli) -> None:
    model = cli.script("slow", *SLOW)
    cli("start", "go", "--thread-id", "t", "--model", model, "--no-wait")

    runs = [cli.start("continue", "t", "--model", model, "--format", "json") for _ in range(8)]
    answers = [json.loads(run.communicate(timeout=60)[0])["response"] for run in runs]

    assert answers == ["done"] * 8
    events = cli.events("t", "--full")
    assert_orderly(events)
    assert sum(event["type"] == "LLMCallRequested" for event in events) == 2


def test_a_stopped_driver_that_wakes_up_late_changes_nothing(cli: Cli) -> None:
    model = cli.script("slow", {"text": "one", "delay_seconds": 1.0})
    zombie = cli.start("start", "go", "--thread-id", "t", "--model", model)
    wait_for(cli, "t", "LLMCallRequested")
    os.kill(zombie.pid, signal.SIGSTOP)
    # The server takes the session for dead and frees its lock, as it would after a failover.
    cli.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'messagedb-agent%%' AND datname = current_database()"
    )

    assert cli.ask("continue", "t")["response"] == "one"
    os.kill(zombie.pid, signal.SIGCONT)
    zombie.communicate(timeout=30)

    events = cli.events("t", "--full")
    assert_orderly(events)
    assert sum(event["type"] == "LLMResponseReceived" for event in events) == 1


def test_a_run_in_the_background_ends_its_turn_when_it_is_terminated(cli: Cli) -> None:
    model = cli.script("slow", {"text": "never", "delay_seconds": 60})
    # As a shell without job control starts it: with SIGINT ignored.
    ignoring = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        started = cli.start("start", "go", "--thread-id", "t", "--model", model)
    finally:
        signal.signal(signal.SIGINT, ignoring)
    wait_for(cli, "t", "LLMCallRequested")

    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=10)

    assert started.returncode == 130
    assert cli.types("t")[-1] == "TurnInterrupted"
