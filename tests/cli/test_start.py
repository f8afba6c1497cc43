"""start without a message, start -c, rename."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from messagedb_agent.cli.messages import message_of
from messagedb_agent.errors import UsageError
from tests.cli.conftest import Command


def test_without_a_message_it_comes_from_stdin(command: Command) -> None:
    assert "4 * 4 = 16" in command("start", stdin="What is 4 * 4?").out
    assert command("start", stdin="").code == 2


def test_at_a_terminal_it_comes_from_the_editor(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Keyboard(io.StringIO):
        def isatty(self) -> bool:
            return True

    editor = tmp_path / "an editor"
    editor.write_text('#!/bin/sh\nprintf "written\\nhere\\n" > "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setattr(sys, "stdin", Keyboard())
    monkeypatch.setenv("VISUAL", f"'{editor}'")

    assert message_of(None) == "written\nhere"
    monkeypatch.setenv("VISUAL", "true")
    with pytest.raises(UsageError, match="no text"):
        message_of(None)
    monkeypatch.setenv("VISUAL", "'unclosed")
    with pytest.raises(UsageError, match="editor"):
        message_of(None)


def test_continue_last_adds_to_the_last_thread(command: Command) -> None:
    command("start", "What is 1 + 1?")
    ended = command("start", "-c", "What is 2 + 2?")

    assert "2 + 2 = 4" in ended.out
    (thread,) = command("list", "--json").json()
    assert thread["message_count"] == 2
    assert command("start", "-c", "x", "--thread-id", "y").code == 2


def test_a_thread_can_be_renamed(command: Command) -> None:
    command("start", "What is 1 + 1?", "--thread-id", "t")

    assert command("rename", "t", "  The\n sum\x1b ").err == "thread t is called The sum\\x1b\n"
    assert command("list", "--json").json()[0]["title"] == "The sum\x1b"
    assert command("show", "t").out.startswith("The sum\\x1b · ")
    assert command("rename", "t", " ").code == 2
    assert command("rename", "nope", "x").code == 2
