"""The arguments of the command that speaks MCP."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.grammar import Subparsers, add_command, lazily
from messagedb_agent.cli.options import add_agent_options


def add_mcp_commands(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """mcp-serve."""
    parser = add_command(
        commands,
        common,
        "mcp-serve",
        lazily("mcp_serve", "run"),
        "offer threads to an MCP client, over stdin and stdout",
        examples="  ./cli mcp-serve --workspace ~/notes --allow write_file\n"
        "  claude mcp add agent -- ./cli mcp-serve",
    )
    add_agent_options(parser)
