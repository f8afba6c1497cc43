"""The whole program in a real terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 30.0


class Terminal:
    """A tmux server with one window of 80 by 24."""

    def __init__(self, command: str, folder: Path) -> None:
        self._name = f"mdba-{uuid4().hex[:12]}"
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "-c", str(folder),
                  f"{command}; echo left with $?; sleep 100")  # fmt: skip

    def tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._name, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def keys(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    def wait_for(self, text: str) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while text not in (shown := self.tmux("capture-pane", "-p")):
            assert time.monotonic() < deadline, f"no {text!r} on the screen:\n{shown}"
            time.sleep(0.1)
        return shown

    def close(self) -> None:
        self.tmux("kill-server")


@pytest.fixture
def terminal(dsn: str, tmp_path: Path) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed")
    servers = tmp_path / "mcp.json"
    servers.write_text('{"mcpServers": {"gone": {"command": "/no/such/program"}}}')
    settings = {
        "DATABASE_URL": dsn,
        "MODEL_NAME": "",
        "PYTHONPATH": str(ROOT / "src"),
        "MESSAGEDB_AGENT_HOME": str(tmp_path / "home"),
        "MCP_CONFIG": str(servers),
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        "ENABLE_TRACING": "true",
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "LC_ALL": "C.UTF-8",
        "PATH": os.environ["PATH"],
        "TERM": "screen-256color",
    }
    variables = " ".join(shlex.quote(f"{name}={value}") for name, value in settings.items())
    command = f"env {variables} {shlex.quote(sys.executable)} -m messagedb_agent.cli"
    terminal = Terminal(f"{command} --category t{uuid4().hex} tui", tmp_path)
    yield terminal
    terminal.close()


def test_a_question_is_answered_and_the_terminal_given_back(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.wait_for("new thread │ store ok")

    terminal.keys("What is", "C-j", "6 * 7?", "Enter", "and")
    shown = terminal.wait_for("6 * 7 = 42")
    assert "> What is\n   6 * 7?" in shown
    assert "! The MCP server gone can not be started" in shown
    assert "calculate" in shown
    shown = terminal.wait_for("ready │ offline")
    assert ">  and" in shown, "typed ahead"
    assert "{" not in shown.split("calculate")[1].partition("}")[2], "nothing is logged there"

    terminal.keys("C-f", "Enter")
    shown = terminal.wait_for("forked from")
    assert ">  and" in shown, "what was being written stays"

    terminal.keys("C-l")
    terminal.wait_for("ThreadForked at 0")
    terminal.keys("Home")
    terminal.wait_for("SessionStarted at 0 of")
    terminal.keys("c")
    terminal.wait_for("no model was called")

    terminal.keys("C-c")
    shown = terminal.wait_for("left with 0")
    assert "goes on" in shown
    logged = (tmp_path / "home" / "tui.log").read_text()
    assert '"event": "model answered"' in logged
    assert '"name": "invoke_agent messagedb-agent"' in logged
