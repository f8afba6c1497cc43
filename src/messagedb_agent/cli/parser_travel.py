"""The arguments of commands that go to other times and places."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.grammar import THREAD, Subparsers, add_command, lazily
from messagedb_agent.cli.options import add_run_options


def add_travel_commands(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """fork, rewind, replay, whatif, diff, export and import."""
    _add_fork(commands, common)
    _add_rewind(commands, common)
    _add_replay(commands, common)
    _add_whatif(commands, common)
    _add_diff(commands, common)
    _add_export(commands, common)
    _add_import(commands, common)


def _position(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is no position; they count from 0")
    return int(text)


def _add_fork(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "fork",
        lazily("travel", "fork"),
        "begin a thread that continues another one; prints its id",
        examples="  ./cli fork last --at 1      before the model was asked: [1] in `show` is kept\n"
        "  ./cli continue $(./cli fork last --at 4)    run the tools again that [4] asked for\n"
        '  ./cli message $(./cli fork last --at 8) "Or else?"\n'
        "  ./cli continue $(./cli fork last --edit --model gemini-2.5-pro)",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "--at", metavar="POSITION", type=_position, help="last event to keep (default: all)"
    )
    parser.add_argument("--thread-id", metavar="ID", help="id of the new thread")
    parser.add_argument("--model", metavar="NAME", help="model of the new thread")
    parser.add_argument("--message", metavar="MSG", help="first message of the new thread")
    parser.add_argument(
        "--edit",
        action="store_true",
        help="fork before the last user message (up to --at) and edit it in $EDITOR",
    )
    parser.set_defaults(system=None)


def _add_rewind(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "rewind",
        lazily("travel", "rewind"),
        "let a thread go on as if nothing had happened after a position",
        examples="  ./cli rewind last --to 4",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "--to", metavar="POSITION", type=_position, required=True, help="last event to keep"
    )
    parser.add_argument("--reason", metavar="TEXT", help="why")


def _add_replay(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "replay",
        lazily("travel", "replay"),
        "derive every decision of a thread again, calling nothing; 1 if one differs",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "--at", metavar="POSITION", type=_position, help="replay up to here (default: all)"
    )


def _add_whatif(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "whatif",
        lazily("whatif", "run"),
        "run a fork of a thread with another model or prompt, and compare",
        examples="  ./cli whatif last --at 2 --model gemini-2.5-pro",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "--at", metavar="POSITION", type=_position, help="last event to keep (default: the last "
        "user message)",
    )  # fmt: skip
    parser.add_argument(
        "--tools",
        choices=("recorded", "real"),
        default="recorded",
        help="recorded: tools repeat the results of the thread; real: they run",
    )
    add_run_options(parser)


def _add_diff(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "diff",
        lazily("travel", "diff"),
        "compare what two threads say; 1 if they differ",
        examples="  ./cli diff 6f1c last\n  ./cli diff 6f1c last --side-by-side",
    )
    parser.add_argument("thread", metavar="A", help=THREAD)
    parser.add_argument("other", metavar="B", help=THREAD)
    parser.add_argument(
        "-y", "--side-by-side", action="store_true", help="two columns instead of + and -"
    )


def _add_export(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "export",
        lazily("travel", "export"),
        "write a thread to a file: JSON lines to import again, or a page to read",
        examples="  ./cli export last -o thread.jsonl\n  ./cli export last --format html -o a.html",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "--format",
        choices=("jsonl", "html", "md"),
        default="jsonl",
        help="jsonl: everything, for import; html or md: a page of its own",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="file to write (default: stdout)")


def _add_import(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "import",
        lazily("travel", "import_"),
        "read an exported thread; prints its id",
        examples="  ./cli import thread.jsonl --thread-id copy",
    )
    parser.add_argument("file", metavar="FILE", help="file to read; - for stdin")
    parser.add_argument("--thread-id", metavar="ID", help="another id for the thread")
