"""Who may run what: permissions of tools, widened or narrowed for a run."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from messagedb_agent.errors import ToolError
from messagedb_agent.events.json_text import to_json
from messagedb_agent.projections.next_step import Permission, RecoveryChoice
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.tools.executor import check_call
from messagedb_agent.tools.registry import ToolRegistry

_STRICTEST_FIRST: tuple[Permission, ...] = ("deny", "ask", "allow")

MAX_TOOL_ATTEMPTS = 25
"""How often a call that may be retried is begun before the model is told that it failed."""


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A permission for calls of a tool whose arguments look a certain way.

    `tool` and each of `arguments` are patterns as in file names (`*`, `?`, `[...]`). A list
    is matched as its items with spaces between, other values as their JSON text. A call
    without one of the arguments does not match.
    """

    permission: Permission
    tool: str = "*"
    arguments: dict[str, str] = msgspec.field(default_factory=dict)

    def matches(self, name: str, arguments: Any) -> bool:
        """Whether the rule speaks of this call."""
        if not fnmatchcase(name, self.tool):
            return False
        given = arguments if isinstance(arguments, Mapping) else {}
        return all(
            key in given and fnmatchcase(_as_text(given[key]), pattern)
            for key, pattern in self.arguments.items()
        )


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return " ".join(map(_as_text, value))
    return to_json(value)


class ApprovalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a run adds to the permissions that tools declare.

    `denied` names tools that never run, whatever else is said. Then the `rules` that match a
    call decide, the strictest of them if they disagree. Then `allow_all` and `allowed` let
    tools run without asking, and last comes what the tool itself declares.
    """

    allow_all: bool = False
    rules: tuple[PolicyRule, ...] = ()
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()

    def permission(self, call: CallState, tools: ToolRegistry) -> Permission:
        """
        Whether a call may run.

        A call of a tool that does not exist, or with arguments that don't fit, needs no
        permission: running it does nothing but tell the model so. Nothing else is let
        through unless something says that it may.
        """
        try:
            tool = check_call(tools, call.call.name, call.arguments)
        except ToolError:
            return "allow"
        if tool.name in self.denied or tool.permission == "deny":
            return "deny"
        matching = {
            rule.permission for rule in self.rules if rule.matches(tool.name, call.arguments)
        }
        for strictness in _STRICTEST_FIRST:
            if strictness in matching:
                return strictness
        if self.allow_all or tool.name in self.allowed or tool.permission == "allow":
            return "allow"
        return "ask"


def recovery(call: CallState, tools: ToolRegistry) -> RecoveryChoice:
    """
    What the called tool declared for the case that it is interrupted.

    A transactional tool without an outcome has had no effect, so it is run again, and so is
    one that does not exist, for running it only tells the model so. A call that takes its
    process along time after time is given up.
    """
    tool = tools.get(call.call.name)
    choice: RecoveryChoice = "retry" if tool is None or tool.transactional else tool.recovery
    return "fail" if choice == "retry" and call.attempts >= MAX_TOOL_ATTEMPTS else choice
