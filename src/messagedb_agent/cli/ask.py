"""Asking the person at the terminal whether a tool may run."""

from __future__ import annotations

import getpass
import json
import sys
from typing import Any, NamedTuple

from messagedb_agent.cli.terminal import complain, paint, tell, visible, write
from messagedb_agent.projections.tool_calls import CallState


class Answer(NamedTuple):
    """What somebody decided about one call."""

    allowed: bool
    who: str
    edited_arguments: Any = None
    remember: str | None = None
    reason: str | None = None


def who_am_i() -> str:
    """The name to record for decisions made here."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def ask_about(call: CallState) -> Answer | None:
    """Ask until there is an answer; None for "later"."""
    tell(paint(f"{call.call.name} wants to run with", "bold", stream=sys.stderr))
    tell(visible(json.dumps(call.arguments, indent=2, ensure_ascii=False)))
    who = who_am_i()
    while True:
        match _read("run it? [y]es, [a]lways in this thread, [e]dit, [n]o, [l]ater: "):
            case "y" | "yes":
                return Answer(allowed=True, who=who)
            case "a" | "always":
                return Answer(allowed=True, who=who, remember="tool")
            case "n" | "no":
                reason = _read("reason (for the model, may be empty): ") or None
                return Answer(allowed=False, who=who, reason=reason)
            case "e" | "edit":
                edited = _read("arguments as JSON: ")
                try:
                    return Answer(allowed=True, who=who, edited_arguments=json.loads(edited or ""))
                except ValueError as error:
                    complain(f"that is no JSON: {error}")
            case "l" | "later" | None:
                return None


def _read(prompt: str) -> str | None:
    write(sys.stderr, prompt)
    line = sys.stdin.readline()
    return line.strip() if line else None
