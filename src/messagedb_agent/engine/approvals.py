"""Who may run what: permissions of tools, widened or narrowed for a run."""

from __future__ import annotations

import msgspec

from messagedb_agent.errors import ToolError
from messagedb_agent.projections.next_step import Permission, RecoveryChoice
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.tools.executor import check_call
from messagedb_agent.tools.registry import ToolRegistry


MAX_TOOL_ATTEMPTS = 25
"""How often a call that may be retried is begun before the model is told that it failed."""


class ApprovalPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a run adds to the permissions that tools declare.

    `allow_all` lets every known tool run that is not denied, `allowed` names tools that may run
    without asking, `denied` those that never run, whatever else is said.
    """

    allow_all: bool = False
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
