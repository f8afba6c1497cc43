"""The parts that every command's arguments are made of."""

from __future__ import annotations

import argparse
import difflib
import re
import textwrap
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

from messagedb_agent.errors import UsageError

Subparsers = Any


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as they are, and names with hyphens whole."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(text, width, break_on_hyphens=False)


class CommandParser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    commands: Subparsers | None = None

    def parse_args(  # type: ignore[override]  # the namespace is never another one here
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """As the base class does, but what is not understood is told by the command's parser."""
        options, left = self.parse_known_args(args, namespace)
        if left:
            commands = self.commands.choices if self.commands else {}
            parser = commands.get(getattr(options, "command", None) or "", self)
            parser.error(_not_understood(left, parser))
        return options

    def error(self, message: str) -> NoReturn:
        """One line instead of two."""
        found = re.match(r"argument COMMAND: invalid choice: '(.*)' \(choose from (.*)\)$", message)
        if found:
            near = difflib.get_close_matches(found[1], re.findall(r"[\w-]+", found[2]), 1)
            meant = f", but there is {near[0]}" if near else ""
            message = f"there is no command {found[1]}{meant}"
        self.exit(2, f"messagedb-agent: {message} (see `{self.prog} --help`)\n")


def _not_understood(left: Sequence[str], parser: argparse.ArgumentParser) -> str:
    options = [name for name in left if name.startswith("-")]
    if not options:
        return f"too many words: {' '.join(left)}; a text of several words is put in quotes"
    known = [name for action in parser._actions for name in action.option_strings]  # noqa: SLF001 - argparse has no other way to ask
    near = difflib.get_close_matches(options[0].partition("=")[0], known, 1)
    meant = f", but there is {near[0]}" if near else ""
    return f"unrecognized arguments: {' '.join(left)}{meant}"


def lazily(module: str, function: str) -> Callable[[argparse.Namespace], int]:
    """A command whose module is imported when it runs."""

    def run(options: argparse.Namespace) -> int:
        try:
            command = getattr(import_module(f"messagedb_agent.cli.commands.{module}"), function)
        except ModuleNotFoundError as missing:
            if missing.name is None or missing.name.startswith("messagedb_agent"):
                raise
            raise UsageError(
                f"this needs the package {missing.name}: pip install 'messagedb-agent[all]'"
            ) from missing
        return int(command(options))

    return run


def add_command(
    commands: Subparsers,
    common: argparse.ArgumentParser,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    *,
    examples: str = "",
) -> argparse.ArgumentParser:
    """A command with its help; `run` gets the parsed options and gives the exit code."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        parents=[common],
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run)
    return parser


THREAD = "thread id, a unique beginning of it, or `last`"
"""The help text of arguments that name a thread."""
