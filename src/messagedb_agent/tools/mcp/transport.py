"""The ways to a server: a program with a clean environment, or streamable HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from messagedb_agent.tools.mcp.settings import ServerSettings

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

_INHERITED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TMPDIR", "TZ")
"""Beside what the SDK passes on by itself: HOME, LOGNAME, PATH, SHELL, TERM, USER."""

CONNECT_SECONDS = 30.0
MAX_LOG_BYTES = 1024 * 1024


@asynccontextmanager
async def open_transport(
    name: str,
    settings: ServerSettings,
    log_folder: Path | None,
    on_open: Callable[[], None],
    on_end: Callable[[], None],
) -> AsyncIterator[TransportStreams]:
    """
    The streams to and from a server.

    `on_open` is called when they are there, and closes them again by raising; `on_end` when
    nothing more will come.
    """
    async with AsyncExitStack() as stack:
        if settings.command is None:
            way = _http(settings)
        else:
            way = _program(settings, stack.enter_context(_log(log_folder, name)))
        incoming, outgoing = await stack.enter_async_context(way)
        on_open()
        yield _Watched(incoming, on_end), outgoing


def child_environment(environ: Mapping[str, str], configured: Mapping[str, str]) -> dict[str, str]:
    """What a server's program sees beside the SDK's own few: no secret that was not given."""
    inherited = {name: environ[name] for name in _INHERITED if name in environ}
    return {**inherited, **configured}


@asynccontextmanager
async def _program(settings: ServerSettings, log: TextIO) -> AsyncIterator[TransportStreams]:
    from mcp import StdioServerParameters
    from mcp.client.stdio import stdio_client

    assert settings.command is not None
    parameters = StdioServerParameters(
        command=settings.command,
        args=list(settings.args),
        env=child_environment(os.environ, settings.env),
        cwd=settings.cwd,
        encoding_error_handler="replace",
    )
    async with stdio_client(parameters, errlog=log) as streams:
        yield streams


@asynccontextmanager
async def _http(settings: ServerSettings) -> AsyncIterator[TransportStreams]:
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    assert settings.url is not None
    # How long an answer may take is the caller's business, call by call.
    timeout = httpx2.Timeout(CONNECT_SECONDS, read=None)
    async with (
        httpx2.AsyncClient(headers=settings.headers, timeout=timeout) as client,
        streamable_http_client(settings.url, http_client=client) as streams,
    ):
        yield streams


def _log(folder: Path | None, name: str) -> TextIO:
    """Where a server's stderr goes; never to the terminal, which is the conversation's."""
    if folder is not None:
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = folder / f"{name}.log"
            too_large = file.exists() and file.stat().st_size > MAX_LOG_BYTES
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (os.O_TRUNC if too_large else 0)
            return os.fdopen(os.open(file, flags, 0o600), "a", encoding="utf-8")
    return Path(os.devnull).open("a", encoding="utf-8")


class _Watched:
    """A stream that tells when it has ended, which the SDK keeps to itself."""

    def __init__(self, stream: Any, on_end: Callable[[], None]) -> None:
        self._stream = stream
        self._on_end = on_end

    @property
    def last_context(self) -> Any:
        """What the SDK looks for on streams that have it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> Any:
        return await self._stream.receive()

    async def aclose(self) -> None:
        self._on_end()
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._on_end()
            raise

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        self._on_end()
        result: bool | None = await self._stream.__aexit__(kind, error, trace)
        return result
