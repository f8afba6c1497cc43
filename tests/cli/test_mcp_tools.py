"""Tools of MCP servers in the commands, from the file that names them to the recorded events."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.tool import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.store import MessageDBClient
from tests import message_db
from tests.warm import Ended, Warm

dsn = message_db.dsn
store = message_db.store
category = message_db.category


ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "tests" / "tools" / "mcp" / "everything_server.py"
PATIENCE_SECONDS = 60.0


class Cli:
    """Runs commands for one category of one database, with servers named by MCP_CONFIG."""

    def __init__(self, warm: Warm, dsn: str, category: str, folder: Path) -> None:
        name, _, version = category.partition(":")
        self._common = ["--category", name, "--version", version]
        self._folder = folder
        self._warm = warm
        self._environment = {
            **warm.environment,
            "DATABASE_URL": dsn,
            "MESSAGEDB_AGENT_HOME": str(folder / "home"),
            "MCP_CONFIG": str(folder / "mcp.json"),
            "THE_TOKEN": "sesame-open",
        }
        self.script = folder / "script.json"

    def servers(self, **servers: dict[str, Any]) -> None:
        content = json.dumps({"mcpServers": servers})
        (self._folder / "mcp.json").write_text(content, encoding="utf-8")

    def counted_server(self, name: str) -> Path:
        """Name a server that adds; the file it writes a line to whenever it is started."""
        log = self._folder / "starts.txt"
        program = 'echo started >>"$1"; exec "$2" "$3"'
        self.servers(
            **{
                name: {
                    "command": "sh",
                    "args": ["-c", program, "sh", str(log), sys.executable, str(PROGRAM)],
                    "startup_timeout": PATIENCE_SECONDS,
                    "permission": "allow",
                }
            }
        )
        return log

    @contextmanager
    def worker(self, *arguments: str) -> Iterator[None]:
        """A worker that serves while the block runs."""
        with subprocess.Popen(
            [sys.executable, "-m", "messagedb_agent.cli", "worker", *arguments, *self._common],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            env=self._environment,
        ) as process:
            assert process.stderr is not None
            try:
                assert any("serves queue" in line for line in process.stderr)
                yield
                process.terminate()
                process.communicate(timeout=PATIENCE_SECONDS)
                assert process.returncode == 0
            finally:
                process.kill()

    def __call__(self, command: str, *arguments: str, stdin: str = "") -> Ended:
        return self._warm.run(
            command,
            *arguments,
            *self._common,
            cwd=self._folder,
            environment=self._environment,
            stdin=stdin.encode(),
        )


@pytest.fixture
def cli(warm: Warm, dsn: str, category: str, tmp_path: Path) -> Cli:
    return Cli(warm, dsn, category, tmp_path)


def calls(*steps: tuple[str, dict[str, Any]] | str) -> str:
    """A script for the model: tool calls by name and arguments, answers by their text."""
    return json.dumps(
        {
            "steps": [
                {"text": step}
                if isinstance(step, str)
                else {"tool_calls": [{"name": step[0], "arguments": step[1]}]}
                for step in steps
            ]
        }
    )


def test_a_tool_is_asked_for_runs_and_outlives_its_server(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    numbers = ("some__add", {"a": 2, "b": 3})
    cli.script.write_text(calls(numbers, "five", numbers, "sorry"), encoding="utf-8")
    model = ("--model", f"scripted:{cli.script}")
    works: dict[str, Any] = {
        "command": sys.executable,
        "args": [str(PROGRAM)],
        "env": {"TOKEN": "${THE_TOKEN}"},
        "startup_timeout": PATIENCE_SECONDS,
        "enabled": ["add"],
    }
    cli.servers(some=works)

    asked = cli("start", "Add", "--thread-id", "one", *model)
    approved = cli("approve", "one")
    # The server is gone: the thread keeps its tools, and the call says what is the matter.
    continued = cli("continue", "one", *model)
    cli.servers(some={**works, "command": "/no/such/program"})
    again = cli("message", "one", "Again", "--allow", "some__add", *model)

    assert (asked.code, approved.code) == (3, 0), asked.err
    assert (continued.code, continued.out) == (0, "five\n"), continued.err
    assert (again.code, again.out) == (0, "sorry\n"), again.err
    events = [record.event for record in store.read(f"{category}-one")]
    (configured,) = (event for event in events if isinstance(event, AgentConfigured))
    assert "some__add" in [tool["name"] for tool in configured.tools]
    assert "some__say" not in [tool["name"] for tool in configured.tools]
    assert [e.result for e in events if isinstance(e, ToolExecutionCompleted)] == [5]
    (failed,) = (event for event in events if isinstance(event, ToolExecutionFailed))
    assert failed.error_message.startswith("The MCP server some can not be started: No such file")
    assert "sesame" not in str(events)


def test_a_server_that_is_down_does_not_keep_a_thread_from_starting(cli: Cli) -> None:
    cli.servers(gone={"command": "/no/such/program"})

    started = cli("start", "What is 6 * 7?", "--allow", "gone__add")
    doctor = cli("doctor")

    assert started.code == 0
    assert "42" in started.out
    assert "messagedb-agent: The MCP server gone can not be started" in started.err
    assert doctor.code == 1
    assert "mcp         The MCP server gone can not be started: No such file" in doctor.out


def test_a_wrong_file_is_told_in_one_line_and_nothing_is_written(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    cli.servers(some={"command": "x", "permision": "allow"})

    refused = cli("start", "Hello", "--thread-id", "one")

    assert refused.code == 2
    assert "unknown field `permision`" in refused.err
    assert refused.err.count("\n") == 1
    assert store.version(f"{category}-one") == -1


def test_a_chat_starts_each_server_once(cli: Cli, store: MessageDBClient, category: str) -> None:
    numbers = ("some__add", {"a": 2, "b": 3})
    cli.script.write_text(calls(numbers, "five", numbers, "five again"), encoding="utf-8")
    log = cli.counted_server("some")

    done = cli("chat", "--model", f"scripted:{cli.script}", stdin="Add\nAgain\n")

    assert (done.code, done.out) == (0, "five\nfive again\n"), done.err
    assert log.read_text(encoding="utf-8").splitlines() == ["started"]


def test_a_worker_has_the_tools_of_its_servers(
    cli: Cli, store: MessageDBClient, category: str
) -> None:
    numbers = ("some__add", {"a": 2, "b": 3})
    cli.script.write_text(calls(numbers, "five", numbers, "five again"), encoding="utf-8")
    log = cli.counted_server("some")
    model = ("--model", f"scripted:{cli.script}")

    with cli.worker(*model):
        first = cli("start", "Add", "--thread-id", "one", "--no-wait", "--follow")
        second = cli("start", "Add", "--thread-id", "two", "--no-wait", "--follow")
        again = cli("message", "one", "Again", "--no-wait", "--follow")

    assert (first.code, first.out) == (0, "five\n"), first.err
    assert (second.code, second.out) == (0, "five\n"), second.err
    assert (again.code, again.out) == (0, "five again\n"), again.err
    assert log.read_text(encoding="utf-8").splitlines() == ["started"]
    events = [record.event for record in store.read(f"{category}-one")]
    (configured,) = (event for event in events if isinstance(event, AgentConfigured))
    assert "some__add" in [tool["name"] for tool in configured.tools]
