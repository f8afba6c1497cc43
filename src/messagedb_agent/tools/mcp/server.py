"""One configured server: connected when needed, and again after it died, within bounds."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ToolError, ToolServerError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.base import Tool, ToolContext
from messagedb_agent.tools.mcp.answers import result_of
from messagedb_agent.tools.mcp.arguments import checker
from messagedb_agent.tools.mcp.link import Link
from messagedb_agent.tools.mcp.naming import SEPARATOR, exposed_name
from messagedb_agent.tools.mcp.settings import ServerSettings

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

MAX_STARTS = 5
STARTS_WITHIN_SECONDS = 300.0


class McpServer:
    """A server by its name, its settings, and at most one link at a time."""

    def __init__(
        self,
        name: str,
        settings: ServerSettings,
        portal: Callable[[], BlockingPortal],
        log_folder: Path | None,
    ) -> None:
        self.name = name
        self.settings = settings
        self._portal = portal
        self._log_folder = log_folder
        self._mutex = threading.Lock()
        self._link: Link | None = None
        self._starts: deque[float] = deque(maxlen=MAX_STARTS)

    def declarations(self) -> tuple[JSONObject, ...]:
        """What it offers, as a model may be told. Raises `ToolServerError` when it is down."""
        return tuple(
            {
                "name": exposed_name(self.name, tool.name),
                "description": tool.description,
                "parameters": tool.parameters,
            }
            for tool in self._linked(None).tools
            if self.settings.offers(tool.name)
        )

    def recorded(self, declarations: Iterable[JSONObject]) -> tuple[JSONObject, ...]:
        """Those of a thread's recorded declarations that are of this server, and still offered."""
        head = f"{self.name}{SEPARATOR}"
        return tuple(
            declaration
            for declaration in declarations
            if str(declaration.get("name")).startswith(head)
            and self.settings.offers(str(declaration["name"]).removeprefix(head))
        )

    def tool(self, declaration: JSONObject) -> Tool:
        """A declaration as something that can be called."""
        name = str(declaration["name"])
        terms = self.settings.terms(self.name, name)
        assert terms.permission is not None
        assert terms.recovery is not None
        assert terms.timeout is not None
        seconds = terms.timeout
        parameters = declaration.get("parameters") or {"type": "object"}
        check = checker(parameters)

        def call(arguments: JSONObject, context: ToolContext) -> Any:
            # Nobody is asked to approve a call with wrong arguments, so it must not get there.
            check(arguments)
            return self._call(name, arguments, context, seconds)

        return Tool(
            name=name,
            description=str(declaration.get("description") or ""),
            parameters=parameters,
            call=call,
            check=check,
            permission=terms.permission,
            recovery=terms.recovery,
            # The first call may have to wait for the server, too.
            timeout=seconds + self.settings.startup_timeout,
        )

    def close(self) -> Link | None:
        """Begin to end the link, if there is one; it is given back for its `join`."""
        with self._mutex:
            link, self._link = self._link, None
        if link is not None:
            link.close()
        return link

    def _call(
        self, exposed: str, arguments: JSONObject, context: ToolContext, seconds: float
    ) -> Any:
        link = self._linked(context.cancelled)
        real = {exposed_name(self.name, tool.name): tool.name for tool in link.tools}
        tool = real.get(exposed)
        if tool is None or not self.settings.offers(tool):
            raise ToolError(f"The MCP server {self.name} does not offer {exposed} any more.")
        try:
            answer = link.call(tool, arguments, seconds, context)
        except ToolServerError as error:
            self._drop(link)
            raise ToolServerError(
                f"{error} Whether the call had an effect is unknown; it was not repeated."
            ) from error
        return result_of(answer)

    def _linked(self, cancelled: Cancellation | None) -> Link:
        """The link, made now if there is none or it has died."""
        with self._mutex:
            if self._link is not None and self._link.is_alive:
                return self._link
            if self._link is not None:
                self._link.close()
            self._link = None
            self._count_start()
            link = Link(self._portal(), self.name, self.settings, self._log_folder)
            link.connect(cancelled)
            self._link = link
            return link

    def _count_start(self) -> None:
        now = time.monotonic()
        if len(self._starts) == MAX_STARTS and now - self._starts[0] < STARTS_WITHIN_SECONDS:
            raise ToolServerError(
                f"The MCP server {self.name} was started {MAX_STARTS} times within "
                f"{STARTS_WITHIN_SECONDS / 60:g} minutes; it is left alone for a while."
            )
        self._starts.append(now)

    def _drop(self, link: Link) -> None:
        with self._mutex:
            if self._link is link:
                self._link = None
        link.close()
