"""chat: each line a message, and what a slash does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Command, Ended


@pytest.fixture
def script(tmp_path: Path) -> str:
    """A model that answers one, two, three, and asks to write a file before that."""
    call = {"name": "write_file", "arguments": {"path": "note.txt", "content": "hi"}}
    steps: list[dict[str, Any]] = [{"tool_calls": [call]}, {"text": "one"}, {"text": "two"}]
    (tmp_path / "model.json").write_text(json.dumps({"steps": steps, "repeat": True}))
    return "scripted:model.json"


def said(command: Command) -> list[str]:
    """The user's messages in the last thread."""
    events = command("show", "last", "--format", "json").json()
    return [each["data"]["message"] for each in events if each["type"] == "UserMessageAdded"]


def talk(command: Command, *lines: str, model: str = "offline") -> Ended:
    return command("chat", "--model", model, stdin="".join(f"{line}\n" for line in lines))


def test_each_line_is_a_message_in_one_thread(command: Command) -> None:
    ended = talk(command, "What is 6 * 7?", "", "What is \\", "2 + 2?", "//not a command")

    assert ended.code == 0
    assert "6 * 7 = 42" in ended.out
    assert said(command) == ["What is 6 * 7?", "What is \n2 + 2?", "/not a command"]
    assert len(command("list", "--json").json()) == 1


def test_a_chat_goes_on_in_a_thread(command: Command) -> None:
    command("start", "What is 1 + 1?", "--thread-id", "old")

    ended = command("chat", "old", stdin="What is 2 + 2?")

    assert "2 + 2 = 4" in ended.out
    assert said(command) == ["What is 1 + 1?", "What is 2 + 2?"]


def test_approving_lets_the_call_run_and_the_turn_go_on(
    command: Command, script: str, tmp_path: Path
) -> None:
    ended = talk(command, "write", "/approve", model=script)

    assert ended.out == "one\n"
    assert (tmp_path / "note.txt").read_text() == "hi"


def test_denying_tells_the_model_why(command: Command, script: str, tmp_path: Path) -> None:
    ended = talk(command, "write", "/deny not here", model=script)

    assert ended.out == "one\n"
    assert not (tmp_path / "note.txt").exists()
    assert "rejected" in command("show", "last").out


def test_a_fork_is_where_the_talk_goes_on(command: Command) -> None:
    talk(command, "What is 1 + 1?", "What is 2 + 2?", "/fork 1", "What is 3 + 3?")

    assert said(command) == ["What is 3 + 3?"]
    assert len(command("list", "--json").json()) == 2


def test_mistakes_are_one_line_and_the_talk_goes_on(command: Command) -> None:
    ended = talk(command, "/nothing", "/approve", "-", "What is 1 + 1?", "/fork x", "/deny")

    assert ended.code == 0
    assert "1 + 1 = 2" in ended.out
    assert ended.err.count("messagedb-agent: ") == 5
    assert "Traceback" not in ended.err


def test_the_model_can_be_changed(command: Command, script: str) -> None:
    ended = talk(command, f"/model {script}", "write", "/model")

    assert f"model: {script}" in ended.err
    assert "write_file" in ended.err


def test_what_follows_quit_is_not_said(command: Command) -> None:
    talk(command, "What is 1 + 1?", "/quit", "What is 2 + 2?")

    assert said(command) == ["What is 1 + 1?"]


def test_programs_are_sent_to_message(command: Command) -> None:
    assert command("chat", "--format", "json").code == 2


def test_hints_are_what_can_be_typed_in_the_chat(command: Command, script: str) -> None:
    waiting = talk(command, "write", model=script)
    limited = command("chat", "--model", script, "--max-steps", "1", "--auto-approve", stdin="go\n")

    assert "waits for approval: `/approve " in waiting.err
    assert "stopped at max_steps; `/continue` goes on" in limited.err
    assert "./cli" not in waiting.err + limited.err


def test_an_ended_thread_is_reopened_from_within(command: Command) -> None:
    command("start", "What is 1 + 1?", "--thread-id", "old")
    command("end", "old")

    ended = command("chat", "old", stdin="What is 2 + 2?\n/reopen\nWhat is 3 + 3?\n")

    assert "has ended; /reopen reopens it" in ended.err
    assert "3 + 3 = 6" in ended.out
    assert said(command) == ["What is 1 + 1?", "What is 3 + 3?"]
