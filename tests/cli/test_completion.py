"""completion: scripts that know the parser, and threads for them to offer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from messagedb_agent.cli.parser import build_parser
from messagedb_agent.events import SessionStarted, UserMessageAdded
from tests.cli.conftest import Command, Past


@pytest.fixture
def bash(command: Command, tmp_path: Path) -> str:
    """A bash script that completes the words it is given."""
    (tmp_path / "completion.bash").write_text(command("completion", "bash").out)
    program = tmp_path / "cli"
    program.write_text('#!/bin/sh\n[ "$1 $2" = "completion threads" ] && printf "abc\\tTitle\\n"\n')
    program.chmod(0o755)
    return (
        '. ./completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _messagedb_agent; '
        'echo "${COMPREPLY[@]}"'
    )


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (("sta",), {"start", "stats"}),
        (("show", "a"), {"abc"}),
        (("show", "--ev"), {"--events"}),
        (("list", "--status", "f"), {"failed"}),
        (("export", "x", "--format", "h"), {"html"}),
        (("completion", "z"), {"zsh"}),
    ],
)
def test_bash_completes(
    bash: str, tmp_path: Path, typed: tuple[str, ...], offered: set[str]
) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")

    done = subprocess.run(
        ["bash", "-euc", bash, "bash", "./cli", *typed],
        cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(command: Command, shell: str) -> None:
    script = command("completion", shell).out

    actions = build_parser()._subparsers
    assert actions is not None
    for name, parser in actions._group_actions[0].choices.items():  # type: ignore[union-attr]  # a dict, here
        assert name in script
        for option in parser._option_string_actions:
            assert option.lstrip("-") in script


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_valid_where_its_shell_can_tell(
    command: Command, shell: str, tmp_path: Path
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    file = tmp_path / "script"
    file.write_text(command("completion", shell).out)

    done = subprocess.run([shell, "-n", str(file)], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (0, b"")


def test_threads_are_offered_with_their_titles(command: Command, past: Past) -> None:
    thread = past((SessionStarted(thread_id="t"), UserMessageAdded(message="a\tb\nc")))

    assert command("completion", "threads").out.splitlines() == [
        "last\tthe thread used last",
        f"{thread}\ta b c",
    ]


def test_a_database_that_is_away_offers_nothing_quietly(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/x")

    assert command("completion", "threads") == (0, "", "")
