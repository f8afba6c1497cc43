"""MCP servers in the commands: which ones, for how long, and what is said about them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from messagedb_agent.cli.home import home_of
from messagedb_agent.config import Config
from messagedb_agent.projections.thread_state import ThreadState

if TYPE_CHECKING:
    from messagedb_agent.tools import Tool
    from messagedb_agent.tools.mcp import McpServers

VARIABLE = "MCP_CONFIG"
_SHARED = "shared_tool_servers"


@contextmanager
def tool_servers(options: argparse.Namespace, config: Config) -> Iterator[McpServers | None]:
    """
    The MCP servers that `--mcp` or the settings name, until the block ends; None without.

    Within `shared_tool_servers` they are those of the enclosing block, and stay.
    """
    if hasattr(options, _SHARED):
        yield getattr(options, _SHARED)
        return
    file = options.mcp or config.environ.get(VARIABLE)
    if not file:
        yield None
        return
    from messagedb_agent.tools.mcp import McpServers, read_servers

    settings = read_servers(Path(file).expanduser(), config.environ)
    with McpServers(settings, log_folder=home_of(config) / "mcp") as servers:
        yield servers


@contextmanager
def shared_tool_servers(options: argparse.Namespace, config: Config) -> Iterator[None]:
    """Let all commands with these options use the same servers, each started at most once."""
    with tool_servers(options, config) as servers:
        setattr(options, _SHARED, servers)
        yield


def tools_of(
    servers: McpServers | None,
    state: ThreadState,
    on_problem: Callable[[str], None] | None = None,
) -> tuple[Tool, ...]:
    """What the servers offer to a thread; what is wrong with them `on_problem` hears, or stderr."""
    if servers is None:
        return ()
    from messagedb_agent.cli.progress import Progress
    from messagedb_agent.cli.terminal import complain

    current = state.context.configuration
    with nullcontext() if on_problem else Progress("asking the MCP servers"):
        return servers.tools(current.tools if current else (), on_problem=on_problem or complain)


def examine(options: argparse.Namespace, config: Config) -> tuple[bool, str]:
    """Whether all servers can be used, and what each of them offers."""
    with tool_servers(options, config) as servers:
        if servers is None or not servers.names:
            return True, "no servers configured"
        found = servers.examine()
    told = (
        answer if isinstance(answer, str) else f"{name}: {answer} tools"
        for name, answer in found.items()
    )
    return all(isinstance(answer, int) for answer in found.values()), "; ".join(told)
