"""
mcp-serve: threads for MCP clients.

Approving is not offered. A client is led by a model of its own, and a model that could
approve what another model asks for would take the person out of the decision.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from concurrent.futures import Future
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from messagedb_agent import __version__
from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.mcp_threads import OnRunning, Threads
from messagedb_agent.cli.wiring import configuration, writer
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import AgentError, ConfigurationError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

STOPPING_SECONDS = 1.5

INSTRUCTIONS = """\
Each thread is a conversation with an agent that keeps its history in PostgreSQL and has tools of
its own. A call returns when the agent has answered. Where `stop` is `waiting`, a tool call needs
the approval of a person, which can not be given here."""


def run(options: argparse.Namespace) -> int:
    """Serve until the client closes stdin."""
    if find_spec("mcp") is None:
        raise ConfigurationError(
            "mcp-serve needs the package mcp: install messagedb-agent with the extra `mcp`"
        )
    config = configuration(options)
    with writer(config) as store, tool_servers(options, config) as servers:
        threads = Threads(options, config, store, servers)
        try:
            _serve(server_of(threads))
        finally:
            threads.stop(STOPPING_SECONDS)
    return 0


def _serve(server: MCPServer[Any]) -> None:
    """Serve on a thread of its own: there a read of stdin can not hold up a signal."""
    import anyio

    ended: Future[None] = Future()

    def serve() -> None:
        try:
            ended.set_result(anyio.run(server.run_stdio_async))
        except BaseException as error:  # noqa: BLE001 - it belongs to the main thread and is raised there
            ended.set_exception(error)

    threading.Thread(target=serve, name="mcp-serve", daemon=True).start()
    ended.result()


def server_of(threads: Threads) -> MCPServer[Any]:
    """The server with its four tools. Nothing but the protocol goes to stdout."""
    from mcp.server.mcpserver import MCPServer

    server: MCPServer[Any] = MCPServer(
        "messagedb-agent", version=__version__, instructions=INSTRUCTIONS, log_level="ERROR"
    )

    @server.tool()
    async def start_thread(message: str) -> dict[str, Any]:
        """Begin a conversation with the agent and wait for its answer."""
        return await _interruptibly(lambda running: threads.start(message, running))

    @server.tool()
    async def send_message(thread: str, message: str) -> dict[str, Any]:
        """Go on in a thread: say something and wait for the answer.

        `thread` is its id, a unique beginning of it, or `last`.
        """
        return await _interruptibly(lambda running: threads.send(thread, message, running))

    @server.tool()
    async def show_thread(thread: str, limit: int = 50) -> dict[str, Any]:
        """Read the last `limit` events of a thread: who said what, tool calls, failures."""
        return await _interruptibly(lambda _running: threads.show(thread, limit))

    @server.tool()
    async def list_threads(limit: int = 20) -> dict[str, Any]:
        """List the newest threads with their status."""
        return await _interruptibly(lambda _running: threads.list(limit))

    return server


async def _interruptibly(work: Callable[[OnRunning], dict[str, Any]]) -> dict[str, Any]:
    """Do the work on a thread. A client that gives up ends the turn, which is recorded."""
    from anyio import get_cancelled_exc_class, to_thread
    from mcp.server.mcpserver.exceptions import ToolError

    driven: list[AgentThread] = []
    try:
        return await to_thread.run_sync(lambda: work(driven.append), abandon_on_cancel=True)
    except AgentError as error:
        raise ToolError(str(error)) from error
    except get_cancelled_exc_class():
        for thread in driven:
            thread.interrupt()
        raise
