"""Run a program in the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypedDict

from msgspec import Meta

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.builtin.workspace import locate
from messagedb_agent.tools.define import tool
from messagedb_agent.tools.results import cut

MAX_SECONDS = 600.0
_MAX_TOLD = 2_000


class CommandResult(TypedDict):
    """A negative `exit_code` is the number of a signal; `duration` is in seconds."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool
    duration: float


@tool(permission="ask", recovery="fail", timeout=MAX_SECONDS + 10)
def run_command(
    argv: Annotated[list[str], Meta(min_length=1)],
    context: ToolContext,
    timeout: Annotated[float, Meta(gt=0, le=MAX_SECONDS)] = 60.0,
    cwd: str = ".",
) -> CommandResult:
    """
    Run a program in the workspace and return its exit code and output. No shell, no input.

    Args:
        argv: The program and its arguments, such as ["git", "status"]. For pipes and other
            shell syntax give ["sh", "-c", "..."].
        timeout: Seconds after which the program is stopped.
        cwd: The folder to run it in, relative to the workspace.
    """
    from messagedb_agent.tools.builtin.process import run  # noqa: PLC0415  imports subprocess

    folder = locate(context.workspace, cwd).real_path
    if not Path(folder).is_dir():
        raise ToolError(f"{cwd} is not a folder")
    ended = run(
        argv,
        cwd=folder,
        seconds=timeout,
        cancelled=context.cancelled,
        progress=context.progress,
    )
    if ended.stopped:
        why = "cancelled" if ended.stopped == "cancelled" else f"stopped after {timeout:g} seconds"
        raise ToolError(
            f"the command was {why}."
            f"\nstdout: {cut(ended.stdout, _MAX_TOLD)}\nstderr: {cut(ended.stderr, _MAX_TOLD)}"
        )
    return {
        "exit_code": ended.exit_code,
        "stdout": ended.stdout,
        "stderr": ended.stderr,
        "truncated": ended.truncated,
        "duration": ended.duration,
    }
