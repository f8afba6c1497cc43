"""Messages for later, and the two timeouts, as they are typed."""

from __future__ import annotations

import re

import pytest

from messagedb_agent.events import (
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolApprovalRequested,
    ToolCall,
    UserMessageAdded,
)
from tests.cli.conftest import Command, Past

FIRST = ("start", "Hello.", "--format", "json")


def types(command: Command, thread: str) -> list[str]:
    return [event["type"] for event in command("show", thread, "--format", "json").json()]


def test_a_message_for_later_is_in_the_stream_but_not_said(command: Command) -> None:
    thread = command(*FIRST).json()["thread_id"]

    assert command("message", thread, "And?", "--in", "10m").out.strip() == thread
    assert types(command, thread)[-1] == "MessageScheduled"


def test_a_thread_may_begin_later(command: Command) -> None:
    thread = command("start", "Hello.", "--at", "2999-01-01T00:00:00+01:00").out.strip()

    assert types(command, thread) == ["SessionStarted", "MessageScheduled"]
    (scheduled,) = command("show", thread, "--format", "json").json()[1:]
    assert scheduled["data"]["due_at"] == "2998-12-31T23:00:00.000Z"


def test_any_command_that_drives_the_thread_adds_what_is_due(command: Command) -> None:
    thread = command(*FIRST).json()["thread_id"]
    command("message", thread, "What is 6 * 7?", "--at", "2026-01-01T00:00:00Z")

    assert command("continue", thread).out.startswith("6 * 7 = 42")
    assert types(command, thread).count("UserMessageAdded") == 2


def test_a_message_for_later_can_be_taken_back(command: Command) -> None:
    thread = command(*FIRST).json()["thread_id"]
    command("message", thread, "And?", "--in", "10m")
    told = command("show", thread, "--events").out
    (schedule_id,) = re.findall(r"scheduled ([0-9a-f]{8}) for .*: And\?", told)

    ended = command("unschedule", thread, schedule_id, "--reason", "done")
    assert (ended.code, types(command, thread)[-1]) == (0, "MessageUnscheduled")
    assert "And?" in ended.err
    assert f"unscheduled {schedule_id}: done" in command("show", thread, "--events").out
    assert command("unschedule", thread).code == 2


@pytest.mark.parametrize(
    "options",
    [
        ("--at", "soon"),
        ("--in", "0s"),
        ("--in", "10 parsecs"),
        ("--in", "1m", "--at", "2999-01-01"),
        ("--in", "1m", "--follow"),
        ("--run-timeout", "-1"),
        ("--approval-timeout", "never"),
    ],
)
def test_what_is_no_time_is_refused(command: Command, options: tuple[str, ...]) -> None:
    try:
        code = command("start", "Hello.", *options).code
    except SystemExit as left:
        code = int(str(left.code))

    assert code == 2


def test_an_approval_that_comes_too_late_is_none(command: Command, past: Past) -> None:
    asks = LLMResponseReceived(tool_calls=(ToolCall("a", "write_file", {}),))
    waits = ToolApprovalRequested(
        tool_name="write_file", tool_call_id="a", expires_at="2026-01-01T00:00:00.000Z"
    )
    begun = SessionStarted(thread_id="t"), UserMessageAdded(message="Go."), LLMCallRequested()
    thread = past((*begun, asks, waits))

    assert command("approve", thread).code == 2
    assert types(command, thread)[-1] == "ToolExecutionRejected"
