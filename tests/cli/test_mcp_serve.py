"""`mcp-serve` as MCP clients meet it: a child process, driven by the SDK's own client."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from messagedb_agent.engine.session import start_session
from messagedb_agent.store import MessageDBClient
from messagedb_agent.store.notifications import CHANNEL
from messagedb_agent.workers.schema import install
from tests import message_db

dsn = message_db.dsn
store = message_db.store
category = message_db.category


SOURCE = Path(__file__).parents[2] / "src"
PATIENCE_SECONDS = 40.0

HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}

Visit = Callable[[Client], Awaitable[None]]


class Served:
    """`mcp-serve` for one category of one database."""

    def __init__(self, dsn: str, category: str, folder: Path) -> None:
        name, _, version = category.partition(":")
        self.category = category
        self.folder = folder
        self.command = [sys.executable, "-m", "messagedb_agent.cli", "mcp-serve"]
        self.command += ["--category", name, "--version", version, "--workspace", str(folder)]
        self.environment = {
            "PYTHONPATH": os.pathsep.join([str(SOURCE), *filter(None, sys.path)]),
            "DATABASE_URL": dsn,
            "MESSAGEDB_AGENT_HOME": str(folder / "home"),
        }

    def script(self, *steps: dict[str, Any]) -> list[str]:
        file = self.folder / "script.json"
        file.write_text(json.dumps({"steps": steps}))
        return ["--model", f"scripted:{file}"]

    def visit(self, visit: Visit, *arguments: str) -> str:
        """Connect, let the client act, leave; what the server wrote to stderr."""
        log = self.folder / "stderr"
        parameters = StdioServerParameters(
            command=self.command[0],
            args=[*self.command[1:], *arguments],
            env=self.environment,
            cwd=self.folder,
        )

        async def session() -> None:
            with log.open("w", encoding="utf-8") as errors, anyio.fail_after(PATIENCE_SECONDS):
                async with Client(stdio_client(parameters, errlog=errors)) as client:
                    await visit(client)

        anyio.run(session)
        return log.read_text(encoding="utf-8")

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """The bare process, for tests that speak the protocol themselves."""
        process = subprocess.Popen(
            [*self.command, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], **self.environment},
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    @staticmethod
    def ask(process: subprocess.Popen[str], request: dict[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(request)}\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline()) if "id" in request else {}
        return answer

    def greet(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Open a session as older clients do."""
        answer = self.ask(process, HELLO)
        self.ask(process, {"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer


@pytest.fixture
def served(dsn: str, category: str, tmp_path: Path) -> Served:
    return Served(dsn, category, tmp_path)


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    assert isinstance(answer.structured_content, dict)
    return answer.structured_content


def test_a_client_starts_goes_on_reads_and_lists(served: Served, store: MessageDBClient) -> None:
    async def visit(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == {
            "start_thread", "send_message", "show_thread", "list_threads",
        }  # fmt: skip
        started = await call(client, "start_thread", message="What is 6 * 7?")
        assert (started["stop"], started["pending_approvals"]) == ("done", [])
        assert "42" in started["response"]

        thread = started["thread_id"]
        answered = await call(client, "send_message", thread=thread[:12], message="What is 2 + 2?")
        assert answered["thread_id"] == thread
        assert "4" in answered["response"]

        shown = await call(client, "show_thread", thread="last", limit=500)
        said = [entry["text"] for entry in shown["entries"] if entry["who"] == "user"]
        assert said == ["What is 6 * 7?", "What is 2 + 2?"]
        assert len((await call(client, "show_thread", thread=thread, limit=2))["entries"]) == 2

        (listed,) = (await call(client, "list_threads"))["threads"]
        assert (listed["thread_id"], listed["message_count"]) == (thread, 2)

        wrong = await client.call_tool("show_thread", {"thread": "nobody"})
        assert wrong.is_error
        assert "there is no thread nobody" in str(wrong.content)

    assert served.visit(visit) == ""


def thread_in(store: MessageDBClient, category: str) -> str:
    """The stream of a new thread that has answered nothing yet."""
    name, _, version = category.partition(":")
    thread_id = start_session(store, "First", thread_id="one", category=name, version=version)
    return f"{category}-{thread_id}"


def kinds(store: MessageDBClient, stream_name: str) -> list[str]:
    return [record.type for record in store.read(stream_name)]


def test_its_runs_are_heard_elsewhere_and_their_deadlines_kept(
    served: Served, store: MessageDBClient, category: str
) -> None:
    model = served.script(
        {"tool_calls": [{"name": "write_file", "arguments": {"path": "a", "content": "b"}}]}
    )

    async def visit(client: Client) -> None:
        await call(client, "start_thread", message="Write it down")

    with store.session() as listener:
        install(listener, category)
        listener.execute(f"LISTEN {CHANNEL}")
        served.visit(visit, *model, "--approval-timeout", "1h")
        heard = {note.payload for note in listener.notifies(timeout=5, stop_after=1)}
        reminders = listener.execute(
            "SELECT lock FROM agent_queue.procrastinate_jobs WHERE args ? 'only_time'"
        ).fetchall()
    streams = [row[0] for row in reminders if row[0].startswith(f"{category}-")]
    assert len(streams) == 1
    assert any(streams[0] in text for text in heard)


def test_what_others_have_to_do_is_left_to_them(
    served: Served, store: MessageDBClient, category: str
) -> None:
    busy = thread_in(store, category)
    model = served.script(
        {"tool_calls": [{"name": "write_file", "arguments": {"path": "a", "content": "b"}}]},
        {"text": "written"},
    )

    async def visit(client: Client) -> None:
        waiting = await call(client, "start_thread", message="Write it down")
        assert (waiting["stop"], waiting["status"]) == ("waiting", "waiting")
        assert [pending["name"] for pending in waiting["pending_approvals"]] == ["write_file"]
        assert f"./cli approve {waiting['thread_id']}" in waiting["hint"]
        for name in ("approve", "deny"):
            assert (await client.call_tool(name, {"thread": waiting["thread_id"]})).is_error

        lock = store.lock(busy)
        try:
            added = await call(client, "send_message", thread="one", message="Second")
        finally:
            lock.release()
        assert added["stop"] == "added"

    served.visit(visit, *model)

    assert not (served.folder / "a").exists()
    assert kinds(store, busy) == ["SessionStarted", "UserMessageAdded", "UserMessageAdded"]


def test_a_client_that_leaves_ends_the_turn_with_an_event(
    served: Served, store: MessageDBClient, category: str
) -> None:
    stream_name = thread_in(store, category)
    model = served.script({"text": "late", "delay_seconds": 60})

    async def visit(client: Client) -> None:
        async def ask() -> None:
            await client.call_tool("send_message", {"thread": "one", "message": "No hurry"})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            while "LLMCallRequested" not in kinds(store, stream_name):
                await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()

    served.visit(visit, *model)

    assert kinds(store, stream_name)[-1] == "TurnInterrupted"


def test_stdout_carries_the_protocol_and_nothing_else_until_a_signal(served: Served) -> None:
    ask = {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": "start_thread", "arguments": {"message": "Run the command: echo hi"}},
    }
    with served.started("--auto-approve") as process:
        greeting = served.greet(process)
        answer = served.ask(process, ask)
        process.send_signal(signal.SIGTERM)
        # Its input stays open until it is gone: the end of input is another way to end it.
        process.wait(PATIENCE_SECONDS)
        out, err = process.communicate()

    assert (greeting["id"], answer["id"]) == (1, 2)
    assert answer["result"]["structuredContent"]["stop"] == "done"
    assert (out, err, process.returncode) == ("", "messagedb-agent: interrupted\n", 130)
