"""What can be typed about workers."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.grammar import THREAD, Subparsers, add_command, lazily
from messagedb_agent.cli.options import add_agent_options, duration, moment


def add_waiting_options(parser: argparse.ArgumentParser, *, with_message: bool = False) -> None:
    """The options of those who can leave the work to workers."""
    parser.add_argument(
        "--no-wait", action="store_true", help="record it only; a worker does the rest, if one runs"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="with --no-wait: show what the worker does until the turn is over",
    )
    parser.add_argument(
        "--queue", metavar="NAME", help="queue of the worker that shall do it (default: agents)"
    )
    if with_message:
        _add_schedule_options(parser)


def _add_schedule_options(parser: argparse.ArgumentParser) -> None:
    """When a message is to be added."""
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--at",
        metavar="TIME",
        type=moment,
        help="add the message at this time (ISO 8601); a worker does, so it implies --no-wait",
    )
    when.add_argument(
        "--in",
        dest="after",
        metavar="TIME",
        type=duration,
        help="add the message after this time, such as 10m or 2h; as with --at",
    )


def add_worker_commands(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Drive threads, and see who does; take back what they were to add later."""
    _add_worker(commands, common)
    _add_workers(commands, common)
    _add_unschedule(commands, common)


def _add_workers(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "workers",
        lazily("workers", "run"),
        "show workers, what they do, and what waits for them",
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text: to read; json: an object"
    )


def _add_unschedule(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "unschedule",
        lazily("manage", "unschedule"),
        "take back messages that were written for later",
        examples="  ./cli unschedule last\n  ./cli unschedule 6f1c 0b7d21aa",
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument(
        "message",
        metavar="MESSAGE",
        nargs="?",
        help="id of the scheduled message, or its beginning, as `show` tells it (default: all)",
    )
    parser.add_argument("--reason", metavar="TEXT", help="why it is taken back")


def _add_worker(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "worker",
        lazily("worker", "run"),
        "drive threads that were started with --no-wait, until stopped",
        examples="  ./cli worker --concurrency 25 --auto-approve\n"
        '  ./cli worker --limit "claude-*=5" --limit category:trial=2',
    )
    parser.add_argument(
        "--concurrency", metavar="N", type=_concurrency, default=10, help="threads at once"
    )
    parser.add_argument(
        "--connections",
        metavar="N",
        type=_concurrency,
        default=4,
        help="database connections for its threads: one for each transactional tool at work, "
        "and a few for all else (default: 4)",
    )
    parser.add_argument(
        "--queue", metavar="NAME", default="agents", help="queue to serve (default: agents)"
    )
    parser.add_argument(
        "--limit",
        metavar="MODEL=N",
        action="append",
        default=[],
        help="at most N turns at once over all workers, for a model or for category:NAME",
    )
    parser.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_seconds,
        default=20.0,
        help="how long running steps may take after SIGTERM (default: 20)",
    )
    add_agent_options(parser)


def _concurrency(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 500:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from 1 to 500")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86400:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number of seconds up to a day")
    return seconds
