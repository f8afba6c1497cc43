"""How long commands take from a cold start of the process, the server being up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import messagedb_agent
from benchmarks.measure import Row, Scale, fastest, milliseconds
from benchmarks.world import World

_COMMANDS = (
    ("version",),
    ("list",),
    ("show", "last"),
    ("message", "last", "hello", "--model", "offline"),
    ("start", "hello", "--model", "offline"),
)


def environment(world: World) -> dict[str, str]:
    """The variables of a command that uses the world's private server."""
    environ = {
        **os.environ,
        "MESSAGEDB_AGENT_HOME": str(world.home),
        "PYTHONPATH": str(Path(messagedb_agent.__file__).parents[1]),
    }
    database = ("DATABASE_URL", "DB_HOST", "DB_NAME", "DB_PORT", "DB_USER", "DB_PASSWORD")
    # The wrapper drops the last one, too.
    for name in (*database, "PYTHONDONTWRITEBYTECODE"):
        environ.pop(name, None)
    return environ


def run(world: World, scale: Scale) -> Iterator[Row]:
    """Each command beside an interpreter that does nothing."""
    python = (sys.executable, "-P")
    cli = (*python, "-m", "messagedb_agent.cli")
    environ = environment(world)

    def call(command: tuple[str, ...]) -> None:
        subprocess.run(command, env=environ, check=True, capture_output=True, cwd=world.home.parent)

    call((*cli, "start", "hello", "--model", "offline"))
    calls = ((*python, "-c", "pass"), *((*cli, *arguments) for arguments in _COMMANDS))
    bare, *times = fastest(scale.command_runs, *(partial(call, command) for command in calls))
    for arguments, seconds in zip(_COMMANDS, times, strict=True):
        yield Row(
            f"`{' '.join(arguments)}`",
            milliseconds(seconds),
            f"{milliseconds(bare)}: `python -c pass`",
            seconds / bare,
        )
