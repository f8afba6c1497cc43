"""All configured servers of a run, behind one background event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from messagedb_agent.errors import ConfigurationError, ToolServerError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.base import Tool
from messagedb_agent.tools.mcp.naming import belongs_to
from messagedb_agent.tools.mcp.server import McpServer
from messagedb_agent.tools.mcp.settings import ServerSettings

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

_LOGGERS = ("mcp", "httpx2", "client")
_AT_ONCE = 8


class McpServers:
    """
    The servers of one run; a context manager that ends them.

    Nothing is started on entering: a server is, when its tools have to be asked for or one of
    them is called. Usable from several threads.
    """

    def __init__(
        self, settings: Mapping[str, ServerSettings], *, log_folder: Path | None = None
    ) -> None:
        self._servers = tuple(
            McpServer(name, server, self._portal, log_folder) for name, server in settings.items()
        )
        self._mutex = threading.Lock()
        self._exits = ExitStack()
        self._running: BlockingPortal | None = None

    def __enter__(self) -> Self:
        if self._servers and find_spec("mcp") is None:
            raise ConfigurationError(
                "MCP servers need the package mcp: install messagedb-agent with the extra `mcp`"
            )
        # Without a handler, Python itself writes warnings to stderr, into the conversation.
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(logging.NullHandler())
        return self

    def __exit__(self, *_exc: object) -> None:
        links = [server.close() for server in self._servers]
        for link in links:
            if link is not None:
                link.join()
        self._exits.close()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all servers."""
        return tuple(server.name for server in self._servers)

    def owns(self, name: str) -> bool:
        """Whether a tool of this name would come from one of the servers."""
        return any(belongs_to(server, name) for server in self.names)

    def tools(
        self,
        recorded: Sequence[JSONObject] = (),
        on_problem: Callable[[str], None] = lambda _text: None,
    ) -> tuple[Tool, ...]:
        """
        The tools of all servers for a thread with these recorded declarations.

        What a thread has recorded for a server stays as it is, so that its model sees the same
        tools in each request, whatever the server is up to; a server is asked only when there
        is nothing recorded, or its settings say `refresh`. One that does not answer has no
        tools beyond those recorded, and `on_problem` hears why.
        """
        frozen = {s.name: s.recorded(recorded) for s in self._servers}
        asked = [s for s in self._servers if s.settings.refresh or not frozen[s.name]]

        def ask(server: McpServer) -> tuple[JSONObject, ...] | ToolServerError:
            try:
                return server.declarations()
            except ToolServerError as error:
                return error

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for server, answer in zip(asked, threads.map(ask, asked), strict=True):
                if isinstance(answer, ToolServerError):
                    on_problem(str(answer))
                else:
                    frozen[server.name] = answer
        return tuple(server.tool(d) for server in self._servers for d in frozen[server.name])

    def examine(self) -> dict[str, int | str]:
        """How many tools each server offers, or why it can't be used."""
        found: dict[str, int | str] = {}
        for server in self._servers:
            try:
                found[server.name] = len(server.declarations())
            except ToolServerError as error:
                found[server.name] = str(error)
        return found

    def _portal(self) -> BlockingPortal:
        from anyio.from_thread import start_blocking_portal

        with self._mutex:
            if self._running is None:
                portal = start_blocking_portal("asyncio", name="mcp")
                self._running = self._exits.enter_context(portal)
            return self._running
