"""The file that names MCP servers, and the terms on which their tools may be used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from messagedb_agent.errors import ConfigurationError
from messagedb_agent.tools.base import DEFAULT_TIMEOUT_SECONDS, Permission
from messagedb_agent.tools.mcp.naming import MAX_SERVER_NAME, exposed_name, is_server_name

DEFAULT_STARTUP_SECONDS = 30.0

ServerRecovery: TypeAlias = Literal["retry", "fail", "ask"]
"""As for any tool, but for `probe`: nothing here could find out what became of a call."""

Patterns: TypeAlias = tuple[str, ...] | bool
"""Patterns of names, as in file names; true is all of them, false none."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_SHORTEST_SECRET = 6


class ToolTerms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different for one tool of a server."""

    permission: Permission | None = None
    recovery: ServerRecovery | None = None
    timeout: float | None = None


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    One server: how to reach it, and how its tools may be used.

    Either `command` (a program that speaks over stdin and stdout) or `url` (streamable HTTP)
    is given. `enabled` and `disabled` are patterns of tool names; `disabled` wins. `timeout`
    is in seconds for each call. With `refresh` the server is asked for its tools at each run,
    not only when a thread first meets it.
    """

    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str | None = None
    headers: dict[str, str] = {}
    type: Literal["stdio", "http", "streamable-http"] | None = None
    permission: Permission = "ask"
    recovery: ServerRecovery = "fail"
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    startup_timeout: float = DEFAULT_STARTUP_SECONDS
    tools: dict[str, ToolTerms] = {}
    enabled: Patterns = True
    disabled: Patterns = False
    refresh: bool = False

    def offers(self, tool: str) -> bool:
        """Whether a tool, by the server's own name for it, may be declared and called."""
        return _matches(self.enabled, tool) and not _matches(self.disabled, tool)

    def terms(self, server: str, exposed: str) -> ToolTerms:
        """The terms of a tool, by the name that the model sees."""
        own = next((t for n, t in self.tools.items() if exposed_name(server, n) == exposed), None)
        own = own or ToolTerms()
        return ToolTerms(
            permission=own.permission or self.permission,
            recovery=own.recovery or self.recovery,
            timeout=own.timeout or self.timeout,
        )

    def censored(self, text: str) -> str:
        """The text without the values of `env` and `headers` and without the whole URL."""
        hidden = [*self.env.values(), *self.headers.values(), self.url or ""]
        hidden += [word for value in hidden for word in value.split()]
        for value in sorted(set(hidden), key=len, reverse=True):
            if len(value) >= _SHORTEST_SECRET:
                text = text.replace(value, "…")
        return text


class _File(msgspec.Struct, frozen=True):
    # Other programs keep more in the same file.
    servers: dict[str, ServerSettings] = msgspec.field(name="mcpServers")


def read_servers(file: Path, environ: Mapping[str, str]) -> dict[str, ServerSettings]:
    """
    The servers of a JSON file of the form `{"mcpServers": {name: {…}}}`, in its order.

    `${NAME}` and `${NAME:-default}` in texts stand for variables of `environ`. Servers that
    are turned off as a whole are left out. Raises `ConfigurationError` for anything that
    could be misread, all of it at once where that is possible.
    """
    try:
        content = msgspec.json.decode(file.read_bytes())
        missing: list[str] = []
        servers = msgspec.convert(_expanded(content, environ, missing), _File).servers
    except OSError as error:
        raise ConfigurationError(
            f"can not read the MCP servers {file}: {error.strerror}"
        ) from error
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"the MCP servers {file} are wrong: {error}") from error
    mistakes = [f"the variable {name} is not set" for name in missing]
    for name, server in servers.items():
        mistakes += [f"server {name!r}: {mistake}" for mistake in _mistakes(name, server)]
    if mistakes:
        raise ConfigurationError(f"the MCP servers {file} are wrong: {'; '.join(mistakes)}")
    return {name: s for name, s in servers.items() if s.enabled and s.disabled is not True}


def _expanded(value: Any, environ: Mapping[str, str], missing: list[str]) -> Any:
    if isinstance(value, str):

        def of(found: re.Match[str]) -> str:
            name, default = found[1], found[2]
            if name not in environ and default is None and name not in missing:
                missing.append(name)
            return environ.get(name) or default or ""

        return _VARIABLE.sub(of, value)
    if isinstance(value, dict):
        return {key: _expanded(item, environ, missing) for key, item in value.items()}
    if isinstance(value, list):
        return [_expanded(item, environ, missing) for item in value]
    return value


def _mistakes(name: str, server: ServerSettings) -> Iterator[str]:
    if not is_server_name(name):
        yield (f"a name is letters, digits, - and single _ between them, at most {MAX_SERVER_NAME}")
    if (server.command is None) is (server.url is None):
        yield "either a command or a url is needed"
    elif (server.url is None) is not (
        server.type in (None, "stdio") and server.command is not None
    ):
        yield f"the type {server.type} does not go with what is given"
    if server.url is not None and not server.url.startswith(("http://", "https://")):
        yield "the url has to begin with http:// or https://"
    if server.url is not None and server.type == "stdio":
        yield "the type stdio needs a command"
    times = [server.timeout, server.startup_timeout]
    times += [terms.timeout for terms in server.tools.values() if terms.timeout is not None]
    if not all(time > 0 for time in times):
        yield "a timeout has to be more than 0 seconds"


def _matches(patterns: Patterns, name: str) -> bool:
    if isinstance(patterns, bool):
        return patterns
    return any(fnmatchcase(name, pattern) for pattern in patterns)
