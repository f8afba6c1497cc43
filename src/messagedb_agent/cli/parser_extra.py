"""The arguments of commands that make the terminal pleasant, and of analytics."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.grammar import THREAD, Subparsers, add_command, lazily
from messagedb_agent.cli.options import add_agent_options, add_run_options, age, count, since

STATUSES = ("active", "waiting", "interrupted", "limit", "completed", "failed")


_COLUMNS = """\
Of each thread: MSG messages of users, LLM answers of the model, TOOL tool calls, ERR failures,
ASKS tool calls that wait for approval, COST in US dollars (? where a price is not known).
A narrow terminal gets the title instead of LLM, TOOL, and columns in which there is nothing."""


def add_extra_commands(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """rename, archive, unarchive, chat, tui, stats and completion."""
    _add_rename(commands, common)
    _add_archive(commands, common)
    _add_unarchive(commands, common)
    _add_chat(commands, common)
    _add_tui(commands, common)
    _add_stats(commands, common)
    _add_completion(commands, common)


def add_start_options(parser: argparse.ArgumentParser) -> None:
    """What `start` takes besides the options of every run."""
    parser.add_argument(
        "message",
        metavar="MSG",
        nargs="?",
        help="first message; - reads it from stdin; without it, stdin or $EDITOR is asked",
    )
    parser.add_argument(
        "-c",
        "--continue-last",
        action="store_true",
        help="add the message to the thread used last instead",
    )
    parser.set_defaults(reopen=False)


def add_show_options(parser: argparse.ArgumentParser) -> None:
    """What `show` shows."""
    parser.add_argument(
        "--format",
        choices=("text", "json", "jsonl"),
        default="text",
        help="text: to read; json: an array; jsonl, or json with --follow: an object in each line",
    )
    parser.add_argument(
        "--follow", action="store_true", help="go on with what comes, as it comes, until Ctrl+C"
    )
    parser.add_argument(
        "--full", action="store_true", help="nothing shortened; events with data and metadata"
    )
    parser.add_argument(
        "--events", action="store_true", help="every event, not only what people read"
    )


def add_list_options(parser: argparse.ArgumentParser) -> None:
    """Which threads `list` lists, and what it tells of each."""
    parser.description = f"{parser.description}\n\n{_COLUMNS}"
    parser.add_argument("--json", action="store_true", help="the same as --format json")
    parser.add_argument("--status", choices=STATUSES, help="only threads with this status")
    parser.add_argument(
        "--search", metavar="TEXT", help="only threads with this in a message, answer or title"
    )
    parser.add_argument(
        "--since",
        metavar="TIME",
        type=since,
        help="only threads in which something happened since then: 2d, 12h, today, yesterday, or "
        "a time such as 2026-12-24",
    )
    parser.add_argument(
        "--archived", action="store_true", help="archived threads instead of the others"
    )
    parser.add_argument(
        "--runs", action="store_true", help="runs instead of threads, with the state of each"
    )


def _add_rename(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "rename",
        lazily("manage", "rename"),
        "give a thread a title",
        examples='  ./cli rename last "Invoices of March"',
    )
    parser.add_argument("thread", metavar="THREAD", help=THREAD)
    parser.add_argument("title", metavar="TITLE", nargs="+", help="the title, for lists")


def _add_archive(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "archive",
        lazily("archive", "archive"),
        "move threads out of the way; they can still be shown, exported and forked",
        examples="  ./cli archive 6f1c\n"
        "  ./cli archive --older-than 90d --status completed --dry-run",
    )
    parser.add_argument("threads", metavar="THREAD", nargs="*", help=THREAD)
    parser.add_argument(
        "--older-than",
        metavar="TIME",
        type=age,
        help="all threads in which nothing has happened for this long (90d, 12h)",
    )
    parser.add_argument("--status", choices=STATUSES, help="all threads with this status")
    parser.add_argument(
        "--dry-run", action="store_true", help="only print the ids of what would be archived"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="also threads that wait, or whose turn is not over, or that consumers have not seen",
    )


def _add_unarchive(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "unarchive",
        lazily("archive", "unarchive"),
        "bring archived threads back",
        examples="  ./cli list --archived\n  ./cli unarchive 6f1c",
    )
    parser.add_argument("threads", metavar="THREAD", nargs="+", help=THREAD)


def _add_chat(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "chat",
        lazily("chat", "chat"),
        "talk line by line; Ctrl+C interrupts the answer, Ctrl+D leaves",
        examples="  ./cli chat\n  ./cli chat last --auto-approve",
    )
    parser.add_argument(
        "thread", metavar="THREAD", nargs="?", help=f"{THREAD}; without it a new one"
    )
    add_run_options(parser)


def _add_stats(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "stats",
        lazily("stats", "run"),
        "tokens, costs, latencies and failures",
        examples="  ./cli stats\n  ./cli stats --by tool --days 30 --format json",
    )
    parser.add_argument(
        "--days", metavar="N", type=count, default=7, help="of the last N days (default: 7)"
    )
    parser.add_argument(
        "--by", choices=("day", "model", "tool"), default="day", help="a row for each of these"
    )
    parser.add_argument(
        "--format", choices=("text", "json"), default="text", help="text: a table; json: an array"
    )


def _add_completion(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "completion",
        lazily("completion", "run"),
        "print a script that makes a shell complete commands, options and thread ids",
        examples="  source <(./cli completion bash)\n  ./cli completion fish | source",
    )
    parser.add_argument(
        "shell",
        choices=("bash", "zsh", "fish", "threads"),
        metavar="SHELL",
        help="bash, zsh or fish; `threads` prints what their scripts ask for",
    )


def _add_tui(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    parser = add_command(
        commands,
        common,
        "tui",
        lazily("tui", "run"),
        "work with threads on a full screen",
        examples="  ./tui\n  ./tui --thread-id last --model offline",
    )
    parser.add_argument(
        "--thread-id", metavar="THREAD", help=f"thread to open: {THREAD} (default: a new one)"
    )
    add_agent_options(parser)
