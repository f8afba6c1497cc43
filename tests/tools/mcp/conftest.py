"""Real servers: the one in `everything_server.py`, as a child process or behind a port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.tools import ToolContext, ToolRegistry, execute_tool
from messagedb_agent.tools.mcp import McpServers, ServerSettings

PROGRAM = Path(__file__).with_name("everything_server.py")
PATIENCE_SECONDS = 40.0


def program(folder: Path, **settings: Any) -> ServerSettings:
    """The server on stdio."""
    return ServerSettings(
        command=sys.executable,
        args=(str(PROGRAM),),
        cwd=str(folder),
        startup_timeout=PATIENCE_SECONDS,
        **settings,
    )


@contextmanager
def listening(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The server on a port, from when it answers."""
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port)], cwd=folder, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _answers(port):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Agent:
    """Calls tools by the names that a model would use."""

    def __init__(self, servers: McpServers) -> None:
        self.problems: list[str] = []
        self.tools = ToolRegistry(*servers.tools(on_problem=self.problems.append))

    def call(self, tool: str, context: ToolContext | None = None, /, **arguments: Any) -> Any:
        return execute_tool(self.tools, tool, arguments, context)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")
