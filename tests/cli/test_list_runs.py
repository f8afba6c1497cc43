"""list --runs: each run with its state, as its events tell it."""

from __future__ import annotations

import pytest

from messagedb_agent.events import (
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolApprovalRequested,
    ToolCall,
    TurnInterrupted,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from tests.cli.conftest import Command, Past

BEGUN = (SessionStarted(thread_id="t"), UserMessageAdded(message="Go."))


def asked(run_id: str) -> Event:
    return LLMCallRequested(model_name="m", run_id=run_id)


WAITING = (
    *BEGUN,
    asked("w"),
    LLMResponseReceived(tool_calls=(ToolCall("a", "write", {}),)),
    ToolApprovalRequested(tool_name="write", tool_call_id="a"),
)


def test_each_run_is_listed_with_its_state(command: Command, past: Past) -> None:
    thread_id = past((*BEGUN, asked("one"), LLMResponseReceived(), BEGUN[1], asked("two")))
    past(WAITING)

    found = command("list", "--runs", "--json").json()

    assert [(run["run_id"], run["state"]) for run in found] == [
        ("w", "awaiting approval"),
        ("two", "running"),
        ("one", "completed"),
    ]
    assert found[1]["thread_id"] == thread_id
    assert list(found[0]) == [
        "run_id", "thread_id", "stream_name", "state", "started_at", "last_activity", "deadline",
        "model_calls", "tool_calls",
    ]  # fmt: skip


def test_a_real_turn_is_a_completed_run(command: Command) -> None:
    assert command("start", "What is 6 * 7?").code == 0

    (run,) = command("list", "--runs", "--format", "json").json()

    assert (run["state"], run["model_calls"], run["tool_calls"]) == ("completed", 2, 1)


def test_the_table_has_a_line_for_each(command: Command, past: Past) -> None:
    thread_id = past((*BEGUN, asked("0123456789"), TurnInterrupted()))

    head, line = command("list", "--runs").out.splitlines()

    assert head.split() == ["RUN", "STATE", "BEGAN", "LASTED", "LLM", "TOOL", "THREAD"]
    assert line.startswith("01234567  cancelled ")
    assert line.endswith(thread_id)


def test_the_newest_runs_are_enough_for_a_limit(command: Command, past: Past) -> None:
    past((*BEGUN, asked("one"), LLMResponseReceived(), BEGUN[1], asked("two")))

    assert [
        run["run_id"] for run in command("list", "--runs", "--limit", "1", "--json").json()
    ] == ["two"]


def test_without_runs_it_says_so(command: Command) -> None:
    assert command("list", "--runs").out.startswith("no runs yet")


@pytest.mark.parametrize("option", [("--status", "active"), ("--search", "x")])
def test_what_is_about_threads_is_refused(command: Command, option: tuple[str, str]) -> None:
    assert command("list", "--runs", *option).code == 2
