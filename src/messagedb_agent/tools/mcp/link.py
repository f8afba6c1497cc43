"""One open connection to a server, seen from threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ToolError, ToolServerError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.mcp.answers import progress_line
from messagedb_agent.tools.mcp.settings import ServerSettings
from messagedb_agent.tools.mcp.transport import open_transport

if TYPE_CHECKING:
    from anyio import Event
    from anyio.from_thread import BlockingPortal
    from mcp import Client
    from mcp.types import CallToolResult, ListToolsResult

T = TypeVar("T")

MAX_TOOLS = 500
CLOSING_SECONDS = 8.0
_LOOK_SECONDS = 0.1
_KEY = "messagedb-agent/idempotency-key"


class RemoteTool(msgspec.Struct, frozen=True):
    """A tool as its server describes it."""

    name: str
    description: str
    parameters: JSONObject


class Link:
    """
    Opened by `connect`, ended by `close`, by the server, or by what goes wrong.

    One task opens the connection, keeps it and closes it again, as cancel scopes demand.
    """

    def __init__(
        self,
        portal: BlockingPortal,
        name: str,
        settings: ServerSettings,
        log_folder: Path | None,
    ) -> None:
        self.tools: tuple[RemoteTool, ...] = ()
        self._portal = portal
        self._name = name
        self._settings = settings
        self._log_folder = log_folder
        self._has_ended = False
        self._has_opened = False
        self._is_unwanted = False
        self._client: Client | None = None
        self._enough: Event | None = None
        self._ready: Future[None] = Future()
        self._keeper: Future[None] = portal.start_task_soon(self._keep)

    @property
    def is_alive(self) -> bool:
        """Whether a call could be sent."""
        return not (self._has_ended or self._keeper.done())

    def connect(self, cancelled: Cancellation | None = None) -> None:
        """Wait until the server has told its tools. Raises `ToolServerError` when it doesn't."""
        seconds = self._settings.startup_timeout
        try:
            self._wait(self._ready, seconds, cancelled)
        except TimeoutError:
            raise self._error(f"did not start within {seconds:g} seconds") from None
        finally:
            if self._client is None:
                self._give_up()

    def call(
        self,
        tool: str,
        arguments: JSONObject,
        seconds: float,
        context: ToolContext,
    ) -> CallToolResult:
        """
        Call a tool by the server's own name for it; what it tells meanwhile is passed on.

        Raises `ToolError` when the server refuses, is too slow, or the caller gives up, and
        `ToolServerError` when the connection ends before there is an answer.
        """
        client = self._client
        assert client is not None, "the link is not connected"
        key = context.idempotency_key
        meta: Any = {_KEY: key} if key else None

        async def tell(progress: float, total: float | None, message: str | None) -> None:
            context.progress(self._settings.censored(progress_line(progress, total, message)))

        async def act() -> CallToolResult:
            return await client.call_tool(tool, dict(arguments), progress_callback=tell, meta=meta)

        try:
            return self._wait(self._start(act), seconds, context.cancelled)
        except TimeoutError:
            text = f"The MCP server {self._name} did not answer within {seconds:g} seconds."
            raise ToolError(text) from None

    def close(self) -> None:
        """Let go of the server; `join` waits until it is gone."""
        enough = self._enough
        if enough is None:
            self._give_up()
        else:
            with suppress(RuntimeError):
                self._portal.start_task_soon(enough.set)

    def join(self) -> None:
        """Wait for the end that `close` began, but not for ever."""
        wait({self._keeper}, CLOSING_SECONDS)
        self._give_up()

    def _give_up(self) -> None:
        # A program whose start is broken off would be left behind, so that is waited for.
        self._is_unwanted = True
        if self._has_opened:
            self._keeper.cancel()

    def _on_open(self) -> None:
        self._has_opened = True
        if self._is_unwanted:
            raise ToolServerError(f"The MCP server {self._name} is not wanted any more.")

    def _start(self, act: Callable[[], Coroutine[Any, Any, T]]) -> Future[T]:
        return self._portal.start_task_soon(act)

    async def _keep(self) -> None:
        from anyio import Event
        from mcp import Client

        transport = open_transport(
            self._name, self._settings, self._log_folder, self._on_open, self._on_end
        )
        async with Client(transport) as client:
            self.tools = await _all_tools(client)
            self._enough = Event()
            self._client = client
            self._ready.set_result(None)
            await self._enough.wait()

    def _on_end(self) -> None:
        self._has_ended = True

    def _wait(self, future: Future[T], seconds: float, cancelled: Cancellation | None) -> T:
        """The future's result, unless the server ends, time is up, or nobody waits any more."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            both: set[Future[Any]] = {future, self._keeper}
            wait(both, max(0.0, min(_LOOK_SECONDS, left)), FIRST_COMPLETED)
            if future.done():
                return self._settled(future)
            if self._keeper.done():
                future.cancel()
                raise self._error(_reason(_failure(self._keeper)))
            if cancelled is not None and cancelled.is_set():
                future.cancel()
                raise ToolError("The call was cancelled.")
            if left <= 0:
                future.cancel()
                raise TimeoutError

    def _settled(self, future: Future[T]) -> T:
        from mcp import MCPError

        error = _failure(future)
        if error is None:
            return future.result()
        if isinstance(error, MCPError) and self.is_alive and not _is_closing(error):
            refused = f"The MCP server {self._name} refused the call: {error.message}"
            raise ToolError(self._settings.censored(refused)) from error
        raise self._error(_reason(error)) from error

    def _error(self, reason: str) -> ToolServerError:
        text = f"The MCP server {self._name} {reason}"
        return ToolServerError(f"{self._settings.censored(text).rstrip('.')}.")


async def _all_tools(client: Client) -> tuple[RemoteTool, ...]:
    """What a server offers, in the order of names: servers may change theirs."""
    found: dict[str, RemoteTool] = {}
    cursor: str | None = None
    while len(found) < MAX_TOOLS:
        page: ListToolsResult = await client.list_tools(cursor=cursor)
        for tool in page.tools:
            found[tool.name] = RemoteTool(tool.name, tool.description or "", tool.input_schema)
        cursor = page.next_cursor
        if not cursor or not page.tools:
            break
    return tuple(found[name] for name in sorted(found)[:MAX_TOOLS])


def _failure(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception(timeout=0)
    except CancelledError as cancelled:
        return cancelled


def _is_closing(error: Any) -> bool:
    from mcp.types import CONNECTION_CLOSED

    return bool(error.code == CONNECTION_CLOSED or error.message == "Session terminated")


def _reason(error: BaseException | None) -> str:
    """What went wrong, of a group its first member."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case None | CancelledError():
            return "ended"
        case FileNotFoundError() | PermissionError() | NotADirectoryError():
            return f"can not be started: {error.strerror}: {error.filename}"
        case _ if str(error) in ("Connection closed", "Session terminated"):
            return "closed the connection"
        case _:
            return f"can not be used: {type(error).__name__}: {error}"
