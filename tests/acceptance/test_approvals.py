"""Tool calls that a person has to allow."""

from __future__ import annotations

import os
import pty
import re
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Cli

WRITE = {"name": "write_file", "arguments": {"path": "note.txt", "content": "hi"}}
TWO_CALLS = {
    "tool_calls": [
        {**WRITE, "id": "w1"},
        {"name": "write_file", "arguments": {"path": "b.txt", "content": "b"}, "id": "w2"},
    ]
}


@pytest.fixture
def model(cli: Cli) -> str:
    return cli.script("writer", {"tool_calls": [{**WRITE, "id": "w1"}]}, {"text": "written"})


def test_a_call_that_needs_approval_ends_the_run_with_exit_code_3(cli: Cli, model: str) -> None:
    ended = cli("start", "write", "--thread-id", "t", "--model", model)

    assert ended.code == 3
    assert "approve t w1" in ended.err
    assert "deny t w1" in ended.err
    assert not (cli.folder / "note.txt").exists()
    assert cli("list", "--format", "json").json()[0]["status"] == "waiting"


def test_an_approved_call_runs_when_the_thread_goes_on(cli: Cli, model: str) -> None:
    cli("start", "write", "--thread-id", "t", "--model", model)

    assert cli("approve", "t").code == 0
    assert cli.ask("continue", "t")["response"] == "written"
    assert (cli.folder / "note.txt").read_text() == "hi"


def test_a_denied_call_never_runs_and_the_model_reads_why(cli: Cli, model: str) -> None:
    cli("start", "write", "--thread-id", "t", "--model", model)

    cli("deny", "t", "w1", "--reason", "not here")

    assert cli.ask("continue", "t")["response"] == "written"
    assert not (cli.folder / "note.txt").exists()
    rejected = next(e for e in cli.events("t") if e["type"] == "ToolExecutionRejected")
    assert rejected["data"]["reason"] == "not here"


def test_edited_arguments_are_the_ones_that_run(cli: Cli, model: str) -> None:
    cli("start", "write", "--thread-id", "t", "--model", model)

    cli("approve", "t", "--edit", '{"path": "other.txt", "content": "edited"}')
    cli("continue", "t")

    assert (cli.folder / "other.txt").read_text() == "edited"
    assert not (cli.folder / "note.txt").exists()


def test_a_result_found_out_otherwise_replaces_the_run(cli: Cli, model: str) -> None:
    cli("start", "write", "--thread-id", "t", "--model", model)

    cli("approve", "t", "--result", '{"done": true}')

    assert cli.ask("continue", "t")["stop"] == "done"
    assert not (cli.folder / "note.txt").exists()


def test_of_two_calls_each_is_decided_by_itself(cli: Cli) -> None:
    model = cli.script("two", TWO_CALLS, {"text": "done"})
    cli("start", "write", "--thread-id", "t", "--model", model)

    cli("approve", "t", "w2")
    assert cli("continue", "t").code == 3
    cli("deny", "t", "w1")

    assert cli.ask("continue", "t")["stop"] == "done"
    assert (cli.folder / "b.txt").exists()
    assert not (cli.folder / "note.txt").exists()


def test_always_asks_no_more_for_this_tool_in_this_thread(cli: Cli) -> None:
    again = {"tool_calls": [WRITE]}
    model = cli.script("twice", again, again, {"text": "done"})
    cli("start", "write", "--thread-id", "t", "--model", model)

    cli("approve", "t", "--always", "tool")

    assert cli.ask("continue", "t")["stop"] == "done"


@pytest.mark.parametrize("option", [["--auto-approve"], ["--allow", "write_file"]])
def test_a_run_may_be_allowed_to_write_beforehand(cli: Cli, model: str, option: list[str]) -> None:
    assert cli("start", "write", "--model", model, *option).code == 0
    assert (cli.folder / "note.txt").exists()


def test_a_denied_tool_never_runs_even_if_everything_is_approved(cli: Cli, model: str) -> None:
    assert cli("start", "x", "--model", model, "--auto-approve", "--deny", "write_file").code == 0
    assert not (cli.folder / "note.txt").exists()


@pytest.mark.parametrize(("pattern", "code"), [("note.*", 0), ("other.*", 3)])
def test_a_policy_file_decides_by_arguments(cli: Cli, model: str, pattern: str, code: int) -> None:
    policy = cli.folder / "policy.toml"
    policy.write_text(
        f'[[rule]]\ntool = "write_file"\npermission = "allow"\narguments = {{path = "{pattern}"}}\n'
    )

    assert cli("start", "write", "--model", model, "--policy", str(policy)).code == code


def test_a_call_with_wrong_arguments_is_refused_without_asking_anybody(cli: Cli) -> None:
    wrong = {"tool_calls": [{"name": "write_file", "arguments": {"path": 3}}]}
    model = cli.script("wrong", wrong, {"text": "sorry"})

    assert cli.ask("start", "write", "--model", model)["response"] == "sorry"


def test_a_message_does_not_replace_an_approval(cli: Cli, model: str) -> None:
    cli("start", "write", "--thread-id", "t", "--model", model)

    assert cli("message", "t", "please hurry", "--model", model).code == 3
    assert not (cli.folder / "note.txt").exists()


def test_at_a_terminal_the_person_is_asked(cli: Cli, model: str, tmp_path: Path) -> None:
    screen = at_terminal(cli, ["start", "write", "--model", model], {"run it?": "y\n"})

    assert "write_file wants to run with" in screen
    assert "written" in screen
    assert (tmp_path / "note.txt").exists()


def test_at_a_terminal_whoever_is_quicker_elsewhere_has_decided(
    cli: Cli, model: str, tmp_path: Path
) -> None:
    screen = at_terminal(
        cli,
        ["start", "write", "--model", model],
        {"run it?": "y\n"},
        meanwhile=lambda: cli("deny", "last", "--reason", "no"),
    )

    assert "somebody else has decided" in screen
    assert "written" in screen
    assert not (tmp_path / "note.txt").exists()


def at_terminal(
    cli: Cli,
    arguments: list[str],
    answers: dict[str, str],
    meanwhile: Callable[[], object] = lambda: None,
) -> str:
    """
    Run a command at a pseudo-terminal; type each answer once its question is on the screen.

    What happens `meanwhile` is over before anything is typed.
    """
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(cli.folder)
        command = [sys.executable, "-m", "messagedb_agent.cli", *arguments]
        os.execve(sys.executable, command, {**cli.environment, "TERM": "xterm"})
    screen, deadline = "", time.monotonic() + 30
    while time.monotonic() < deadline and select.select([terminal], [], [], 30)[0]:
        try:
            read = os.read(terminal, 4096)
        except OSError:  # the terminal's other end was closed
            break
        screen += re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", read.decode(errors="replace"))
        for question in [question for question in answers if question in screen]:
            meanwhile()
            os.write(terminal, answers.pop(question).encode())
    os.waitpid(child, 0)
    os.close(terminal)
    return screen
