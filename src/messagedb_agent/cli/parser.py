"""What can be typed: commands, options, help."""

from __future__ import annotations

import argparse
import sys

from messagedb_agent.cli.grammar import (
    THREAD,
    CommandParser,
    Subparsers,
    add_command,
    lazily,
)
from messagedb_agent.cli.model_options import add_model_commands, add_model_options
from messagedb_agent.cli.options import (
    add_common,
    add_mcp_option,
    add_run_options,
    add_subscribe_options,
    count,
)
from messagedb_agent.cli.overview import OverviewFormatter
from messagedb_agent.cli.parser_extra import (
    add_extra_commands,
    add_list_options,
    add_show_options,
    add_start_options,
)
from messagedb_agent.cli.parser_mcp import add_mcp_commands
from messagedb_agent.cli.parser_travel import add_travel_commands
from messagedb_agent.cli.worker_parser import add_waiting_options, add_worker_commands

_FIRST_STEPS = """\
first steps:
  ./cli start "What is 6 * 7?"          ask something; a new thread begins
  ./cli message last "And doubled?"     go on in the thread used last
  ./cli show last                       read the thread
  ./cli list                            see all threads
"""
_EXIT_CODES = """\
exit codes: 0 done, 1 failed, 2 wrong usage, 3 waiting for approval, 4 limit reached,
5 thread is driven by another process, 130 interrupted
"""


def build_parser(first: str = "") -> argparse.ArgumentParser:
    """The whole command line, or what its `first` argument asks for: all takes a while to build."""
    common = argparse.ArgumentParser(add_help=False)
    add_common(common, argparse.SUPPRESS)
    parser = CommandParser(
        prog="./cli",
        description="An agent whose conversation is an event stream in PostgreSQL.",
        epilog=f"{_FIRST_STEPS}\n{_EXIT_CODES}",
        formatter_class=OverviewFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", parser_class=CommandParser
    )
    add_common(parser, None)
    parser.set_defaults(run=_greet)
    for add in (_PARTS[first],) if first in _PARTS else _PARTS.values():
        add(commands, common)
    add_model_options(commands.choices)
    parser.commands = commands
    return parser


def _greet(_options: argparse.Namespace) -> int:
    sys.stderr.write(f"{_FIRST_STEPS}  ./cli --help                          all commands\n")
    return 2


def _add_start(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    examples = (
        '  ./cli start "What is 6 * 7?"\n'
        "  git diff | ./cli start - --format json\n"
        '  ./cli start "List the files here" --auto-approve'
    )
    parser = add_command(
        commands, common, "start", lazily("run", "start"), "begin a thread", examples=examples
    )
    add_start_options(parser)
    parser.add_argument("--thread-id", metavar="ID", help="id of the new thread")
    add_waiting_options(parser, with_message=True)
    add_run_options(parser)


def _add_message(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    examples = (
        '  ./cli message last "And doubled?"\n  ./cli message 6f1c - < question.txt\n'
        '  ./cli message last "Is it done?" --in 10m'
    )
    parser = add_command(
        commands,
        common,
        "message",
        lazily("run", "message"),
        "add a message to a thread",
        examples=examples,
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument("message", metavar="MSG", help="the message; - reads it from stdin")
    add_waiting_options(parser, with_message=True)
    parser.add_argument("--reopen", action="store_true", help="reopen the thread if it has ended")
    add_run_options(parser)


def _add_continue(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "continue",
        lazily("run", "carry_on"),
        "go on with a thread that was interrupted, failed or met a limit",
        examples="  ./cli continue last --max-steps 200",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    add_waiting_options(parser)
    add_run_options(parser)


def _add_show(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "show",
        lazily("read", "show"),
        "print a thread",
        examples="  ./cli show last --follow      watch it, whoever drives it\n"
        "  ./cli show last --events\n"
        "  ./cli show 6f1c --format json --full",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    add_show_options(parser)


def _add_list(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "list",
        lazily("read", "list_threads"),
        "list threads, newest first",
        examples='  ./cli list --status waiting\n  ./cli list --search "invoice 4711" --since 2d',
    )
    parser.add_argument("--limit", metavar="N", type=count, default=20, help="at most N threads")
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text: a table; json: an array"
    )
    add_list_options(parser)


def _add_subscribe(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    examples = (
        "  ./cli subscribe\n"
        "  ./cli subscribe last --from-start --format pretty\n"
        "  ./cli subscribe agent:v0 --event-types ToolExecutionFailed --format json | jq .data\n"
        "  ./cli subscribe agent:v0+dead-NAME --from-start    what the consumer NAME gave up on"
    )
    parser = add_command(
        commands,
        common,
        "subscribe",
        lazily("subscribe", "run"),
        "print events as they are recorded, until Ctrl+C",
        examples=examples,
    )
    add_subscribe_options(parser)


def _add_approve(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "approve",
        lazily("approvals", "approve"),
        "let pending tool calls run; `continue` then runs them",
        examples="  ./cli approve last && ./cli continue last\n"
        '  ./cli approve 6f1c call_1 --edit \'{"path": "b.txt"}\'',
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "call", metavar="CALL", nargs="?", help="tool call id (default: all pending)"
    )
    parser.add_argument("--edit", metavar="JSON", help="run it with these arguments instead")
    parser.add_argument(
        "--always",
        choices=("tool", "arguments"),
        help="ask no more in this thread: for the tool, or for it with the same arguments",
    )
    parser.add_argument(
        "--result", metavar="JSON", help="do not run it: this is its result, found out otherwise"
    )
    parser.add_argument("--by", metavar="NAME", help="who approves (default: you)")


def _add_deny(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "deny",
        lazily("approvals", "deny"),
        "refuse pending tool calls; the model is told",
        examples='  ./cli deny last --reason "not in this folder"',
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "call", metavar="CALL", nargs="?", help="tool call id (default: all pending)"
    )
    parser.add_argument("--reason", metavar="TEXT", help="what to tell the model")
    parser.add_argument("--by", metavar="NAME", help="who refuses (default: you)")


def _add_interrupt(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "interrupt",
        lazily("manage", "interrupt"),
        "stop the running turn of a thread, wherever it runs",
        examples="  ./cli interrupt last && ./cli continue last",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument("--reason", metavar="TEXT", help="why it is stopped")


def _add_end(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(commands, common, "end", lazily("manage", "end"), "end a thread")
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument("--reason", metavar="TEXT", help="why it ends")


def _add_db(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "db",
        lazily("db", "run"),
        "look after the database",
        examples="  ./cli db status\n  ./cli db psql -c 'SELECT count(*) FROM messages'",
    )
    parser.add_argument(
        "action", choices=("status", "start", "stop", "url", "psql", "install", "index"),
        metavar="ACTION",
        help="status, start, stop, url, psql or install; index builds anew what lists use",
    )  # fmt: skip
    parser.add_argument(
        "arguments",
        nargs=argparse.REMAINDER,
        metavar="ARGS",
        help="arguments for psql; --views for install: the analytics views, too",
    )


def _add_doctor(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(commands, common, "doctor", lazily("doctor", "run"), "check the set-up")
    add_mcp_option(parser)
    parser.add_argument(
        "--replay",
        action="store_true",
        help="also replay every thread of the category and report those that this version "
        "can not read, go on with, or decides otherwise about",
    )


def _add_version(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    add_command(commands, common, "version", _print_version, "print the version")


def _print_version(_options: argparse.Namespace) -> int:
    from messagedb_agent import __version__
    from messagedb_agent.cli.terminal import say

    say(f"messagedb-agent {__version__}")
    return 0


_PARTS = {
    "start": _add_start,
    "message": _add_message,
    "continue": _add_continue,
    "show": _add_show,
    "list": _add_list,
    "subscribe": _add_subscribe,
    "approve": _add_approve,
    "deny": _add_deny,
    "worker": add_worker_commands,
    "interrupt": _add_interrupt,
    "end": _add_end,
    "fork": add_travel_commands,
    "rename": add_extra_commands,
    "mcp-serve": add_mcp_commands,
    "context": add_model_commands,
    "db": _add_db,
    "doctor": _add_doctor,
    "version": _add_version,
}
