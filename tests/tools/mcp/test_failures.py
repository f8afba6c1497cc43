"""Servers that die, never start, or are not there."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import ToolContext
from messagedb_agent.tools.mcp import McpServers, ServerSettings
from messagedb_agent.tools.mcp.server import MAX_STARTS
from tests.postgres import free_port
from tests.tools.mcp.conftest import PATIENCE_SECONDS, Agent, listening, program

# A program that lives but never speaks, and ends when nobody listens.
SILENT = ServerSettings(
    command=sys.executable, args=("-c", "import sys; sys.stdin.read()"), startup_timeout=0.3
)


def starts(folder: Path) -> int:
    return len((folder / "starts").read_text(encoding="utf-8"))


def test_a_dead_server_is_started_again_by_the_next_call(tmp_path: Path) -> None:
    with McpServers({"some": program(tmp_path, timeout=PATIENCE_SECONDS)}) as servers:
        agent = Agent(servers)
        first = agent.call("some__process_id")
        assert starts(tmp_path) == 1
        os.kill(first, signal.SIGKILL)
        wait_for_end(first)

        assert agent.call("some__process_id") != first
        assert starts(tmp_path) == 2

        with pytest.raises(ToolError, match=r"an effect is unknown; it was not repeated\.$"):
            agent.call("some__die")
        assert starts(tmp_path) == 2


def wait_for_end(process_id: int) -> None:
    """A child of ours stays a zombie until the event loop has seen its end."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            os.kill(process_id, 0)
        except ProcessLookupError:
            time.sleep(0.1)
            return
        time.sleep(0.02)
    pytest.fail("it does not end")


def test_servers_that_keep_failing_are_left_alone_for_a_while() -> None:
    with McpServers({"some": ServerSettings(command="false")}) as servers:
        told = [servers.examine()["some"] for _ in range(MAX_STARTS + 1)]

    assert told[0] == "The MCP server some closed the connection."
    assert "is left alone for a while" in str(told[MAX_STARTS])
    assert "left alone" not in str(told[MAX_STARTS - 1])


def test_each_server_that_can_not_be_used_is_told_and_has_no_tools() -> None:
    broken = {
        "missing": ServerSettings(command="/no/such/program"),
        "silent": SILENT,
        "closed": ServerSettings(
            url=f"http://127.0.0.1:{free_port()}/mcp?token=sesame-open",
            headers={"Authorization": "Bearer sesame-open"},
        ),
    }
    with McpServers(broken) as servers:
        agent = Agent(servers)

    assert len(agent.tools) == 0
    assert agent.problems[0].startswith("The MCP server missing can not be started: No such file")
    assert agent.problems[1] == "The MCP server silent did not start within 0.3 seconds."
    assert agent.problems[2].startswith("The MCP server closed can not be used: ConnectError")
    assert "sesame" not in str(agent.problems)


def test_recorded_tools_stay_while_their_server_is_down() -> None:
    recorded = [
        {"name": "calculate", "description": "Not of a server.", "parameters": {}},
        {"name": "gone__add", "description": "Add.", "parameters": {"type": "object"}},
        {"name": "gone__drop", "description": "Drop.", "parameters": {"type": "object"}},
    ]
    settings = ServerSettings(command="/no/such/program", disabled=("drop",))
    problems: list[str] = []
    with McpServers({"gone": settings}) as servers:
        (tool,) = servers.tools(recorded, problems.append)
        assert problems == []
        assert tool.declaration == recorded[1]
        with pytest.raises(ToolError, match="can not be started"):
            tool.call({}, ToolContext())


def test_a_server_behind_a_port_that_comes_back_is_used_again(tmp_path: Path) -> None:
    port = free_port()
    settings = ServerSettings(
        url=f"http://127.0.0.1:{port}/mcp", headers={"X-Asked-By": "a test"}, timeout=10
    )
    with McpServers({"web": settings}) as servers:
        with listening(tmp_path, port):
            agent = Agent(servers)
            assert agent.problems == []
            assert agent.call("web__add", a=2, b=3) == 5
            assert agent.call("web__header", name="x-asked-by") == "a test"
        with pytest.raises(ToolError, match="MCP server web"):
            agent.call("web__add", a=2, b=3)
        with listening(tmp_path, port):
            assert agent.call("web__add", a=3, b=3) == 6
