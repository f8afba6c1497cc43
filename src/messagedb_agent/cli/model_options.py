"""What can be typed about models: parameters, prompts, files, budgets, and what they cost."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from messagedb_agent.cli.grammar import THREAD, Subparsers, add_command, lazily
from messagedb_agent.cli.options import count, number, position

THINKING_EFFORTS = ("low", "medium", "high")
MAX_COUNT = 10**9


def add_model_options(parsers: Mapping[str, argparse.ArgumentParser]) -> None:
    """Add them to the commands that drive a thread, given by their names."""
    for name in parsers.keys() & {"start", "message", "continue"}:
        parser = parsers[name]
        _add_parameters(parser)
        if name != "continue":
            _add_content(parser)


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "model parameters", "kept with the thread until another value is given"
    )
    group.add_argument(
        "--temperature", metavar="N", type=_temperature, help="0 to 2 (Claude's protocol has none)"
    )
    group.add_argument(
        "--max-output-tokens", metavar="N", type=count, help="longest answer of one model call"
    )
    group.add_argument(
        "--thinking",
        metavar="HOW",
        type=_thinking,
        help="low, medium, high, a number of tokens, or off: ask for none",
    )


def _add_content(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--attach",
        metavar="FILE",
        action="append",
        default=[],
        help="send this picture (png, jpeg, gif, webp) or pdf along; may be repeated",
    )
    parser.add_argument(
        "--schema", metavar="FILE", help="JSON Schema that the final answer has to follow"
    )


def add_model_commands(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    """Add the commands that tell what models were given, and what they used."""
    _add_usage(commands, common)
    _add_context(commands, common)


def _add_usage(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    usage = add_command(
        commands,
        common,
        "usage",
        lazily("usage", "usage"),
        "sum up tokens and cost over all threads",
        examples="  ./cli usage --by thread --days 7      what cost most this week comes first\n"
        "  ./cli usage --by day --format json",
    )
    usage.add_argument(
        "--by",
        choices=("model", "day", "thread"),
        default="model",
        help="a row for each of these (default: model)",
    )
    usage.add_argument(
        "--days", metavar="N", type=count, help="of the last N days (default: of all)"
    )
    usage.add_argument(
        "--format", choices=("text", "json"), default="text", help="text: a table; json: an object"
    )


def _add_context(commands: Subparsers, common: argparse.ArgumentParser) -> None:
    context = add_command(
        commands,
        common,
        "context",
        lazily("context", "context"),
        "print the request that one of the answers came from, as it was sent",
        examples="  ./cli context last\n  ./cli context 6f1c --at 8 --format json",
    )
    context.add_argument("thread", metavar="THREAD", help=THREAD)
    context.add_argument(
        "--at",
        metavar="POSITION",
        type=position,
        help="position of the LLMCallRequested, or of anything after it (default: the last)",
    )
    context.add_argument(
        "--format", choices=("text", "json"), default="text", help="text: to read; json: an object"
    )


def _thinking(text: str) -> Mapping[str, Any]:
    if text == "off":
        return {}
    if text in THINKING_EFFORTS:
        return {"effort": text}
    if text.isdecimal() and 1 <= int(text) <= MAX_COUNT:
        return {"budget": int(text)}
    raise argparse.ArgumentTypeError(
        f"{text[:40]!r} is none of off, {', '.join(THINKING_EFFORTS)}, or a number of tokens"
    )


def _temperature(text: str) -> float:
    return number(text, 2.0, "a temperature from 0 to 2")
