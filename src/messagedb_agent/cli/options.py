"""Options that several commands share, or that are many; and how their values are read."""

from __future__ import annotations

import argparse
import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from messagedb_agent.config import parse_duration
from messagedb_agent.store.shards import MAX_SHARDS
from messagedb_agent.store.stream import DEFAULT_CATEGORY, DEFAULT_VERSION


def add_common(parser: argparse.ArgumentParser, default: Any) -> None:
    """What every command takes."""
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--config", metavar="FILE", default=default, help="settings file (default: ./.env)"
    )
    group.add_argument(
        "--category",
        default=default or DEFAULT_CATEGORY,
        help=f"category of the threads (default: {DEFAULT_CATEGORY})",
    )
    group.add_argument(
        "--version",
        metavar="VERSION",
        default=default or DEFAULT_VERSION,
        help=f"version of the threads' streams (default: {DEFAULT_VERSION})",
    )
    group.add_argument(
        "--shards",
        metavar="N",
        type=shards,
        default=default,
        help="spread new threads over N shards of the category (default: MESSAGEDB_AGENT_SHARDS, "
        "or 1; docs/scaling)",
    )


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """What every command takes that lets the agent work."""
    parser.add_argument(
        "--format",
        choices=("text", "json", "jsonl"),
        default="text",
        help="text: the answer; json: one object; jsonl: one object for each recorded event",
    )
    add_agent_options(parser)
    parser.add_argument(
        "--no-follow",
        action="store_true",
        help="leave with exit code 5 when another process drives the thread",
    )
    parser.add_argument("--show-thinking", action="store_true", help="show the model's thinking")


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Which agent works, and what it may do."""
    parser.add_argument("--model", metavar="NAME", help="model to use (default: MODEL_NAME)")
    parser.add_argument("--system", metavar="FILE", help="file with the system prompt")
    parser.add_argument(
        "--auto-approve", action="store_true", help="run tools without asking for approval"
    )
    parser.add_argument(
        "--allow", metavar="TOOL", action="append", default=[], help="run this tool without asking"
    )
    parser.add_argument(
        "--deny", metavar="TOOL", action="append", default=[], help="never run this tool"
    )
    parser.add_argument(
        "--policy",
        metavar="FILE",
        help="TOML file with rules for tool calls (docs/how-to/approvals.md)",
    )
    _add_limits(parser)
    _add_times(parser)
    parser.add_argument(
        "--workspace", metavar="DIR", help="folder that file tools may use (default: current)"
    )
    add_mcp_option(parser)


def _add_limits(parser: argparse.ArgumentParser) -> None:
    """What a turn may use."""
    parser.add_argument(
        "--max-steps", metavar="N", type=count, help="model and tool calls before the turn stops"
    )
    parser.add_argument(
        "--max-tokens", metavar="N", type=count, help="tokens before the turn stops"
    )
    parser.add_argument(
        "--max-repeats",
        metavar="N",
        type=count,
        help="repetitions of the same calls before the turn stops (default: 5)",
    )
    parser.add_argument(
        "--max-cost", metavar="USD", type=amount, help="cost in US dollars before the turn stops"
    )


def _add_times(parser: argparse.ArgumentParser) -> None:
    """How long all of it may take."""
    parser.add_argument(
        "--max-step-seconds",
        metavar="N",
        type=count,
        help="time of one model or tool call before it is ended and the turn stops",
    )
    parser.add_argument(
        "--max-seconds",
        metavar="N",
        type=count,
        help="time before calls are ended and the turn stops",
    )
    parser.add_argument(
        "--run-timeout",
        metavar="TIME",
        type=duration,
        help="time after which the run is ended, within a step too (default: RUN_TIMEOUT)",
    )
    parser.add_argument(
        "--approval-timeout",
        metavar="TIME",
        type=duration,
        help="time after which a call that waits for approval is refused "
        "(default: APPROVAL_TIMEOUT)",
    )


def add_mcp_option(parser: argparse.ArgumentParser) -> None:
    """Where MCP servers are named."""
    parser.add_argument(
        "--mcp",
        metavar="FILE",
        help="JSON file that names MCP servers (default: MCP_CONFIG; docs/how-to/mcp.md)",
    )


def add_subscribe_options(parser: argparse.ArgumentParser) -> None:
    """What `subscribe` takes."""
    parser.add_argument(
        "target",
        metavar="CATEGORY|THREAD",
        nargs="?",
        help="category such as agent:v0 (default: that of the common options), or a thread: "
        "its id, a unique beginning of it, `last`, or a stream name",
    )
    begin = parser.add_mutually_exclusive_group()
    begin.add_argument("--from-start", action="store_true", help="first all events that there are")
    begin.add_argument(
        "--from",
        dest="from_position",
        metavar="POSITION",
        type=position,
        help="begin at a position: of a category the global one, of a thread its own",
    )
    parser.add_argument(
        "--event-types", metavar="A,B", type=names, help="only events of these types"
    )
    parser.add_argument(
        "--format",
        choices=("text", "pretty", "json"),
        default="text",
        help="text: one line for each event; pretty: whole texts; json: one object in each line",
    )
    parser.add_argument(
        "--correlation",
        metavar="CATEGORY",
        help="only events that a stream of it, or of its shards, gave rise to",
    )
    parser.add_argument(
        "--group",
        metavar="M/N",
        type=group,
        help="only the threads of member M, from 0, in a consumer group of N",
    )
    parser.add_argument("--limit", metavar="N", type=count, help="leave after N events")


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or not 1 <= int(text) <= 10**9:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number of at least 1")
    return int(text)


def shards(text: str) -> int:
    """A number of shards."""
    if not text.isdecimal() or not 1 <= int(text) <= MAX_SHARDS:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a number from 1 to {MAX_SHARDS}")
    return int(text)


def duration(text: str) -> float:
    """Seconds, given as 90, 90s, 10m, 2h or 1d."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is wrong: {error}") from error


def moment(text: str) -> datetime:
    """A point in time in ISO 8601; without an offset, in the time zone of this machine."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as error:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no time such as 2026-12-24T18:00 or 2026-12-24T18:00+01:00"
        ) from error


def age(text: str) -> float:
    """Seconds, given as 90d, 2h or 10m: a number alone might be meant as days."""
    if text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text[:40]!r} has no unit: {text[:40]}d are days")
    return duration(text)


def since(text: str) -> datetime:
    """A point in time that lies back: a duration ago, a day, or as `moment` reads it."""
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"today": 0, "yesterday": 1}.get(text)
    if days is not None:
        return midnight - timedelta(days=days)
    if re.fullmatch(r"[0-9]{1,7}[a-z]?", text):
        return datetime.now(UTC) - timedelta(seconds=age(text))
    return moment(text)


def position(text: str) -> int:
    """A place in a stream or in the store."""
    if not text.isdecimal() or int(text) >= 1 << 62:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a position: 0, 1, 2 and so on")
    return int(text)


def amount(text: str) -> float:
    """A sum of money."""
    found = number(text, 1e9, "an amount of US dollars above 0")
    if not found:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not an amount of US dollars above 0")
    return found


def number(text: str, maximum: float, what: str) -> float:
    """A number from 0 to a maximum."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= maximum:
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not {what}")
    return value


def names(text: str) -> tuple[str, ...]:
    """A list with commas."""
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise argparse.ArgumentTypeError("at least one name is needed")
    return found


def group(text: str) -> tuple[int, int]:
    """Member and size of a consumer group."""
    member, slash, size = text.partition("/")
    if not (slash and member.isdecimal() and size.isdecimal() and int(member) < int(size)):
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is not a member of a group: 0/3, 1/3 and 2/3 are the members of three"
        )
    return int(member), int(size)
