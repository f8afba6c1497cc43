"""An agent: a frozen composition of model, tools, prompt and rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from messagedb_agent.engine.approvals import ApprovalPolicy, recovery
from messagedb_agent.engine.clock import utc_now
from messagedb_agent.engine.limits import Limits, no_time, within
from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.json_text import digest
from messagedb_agent.llm.base import LLM
from messagedb_agent.llm.prompts import DEFAULT_SYSTEM_PROMPT
from messagedb_agent.llm.retry import RetryPolicy
from messagedb_agent.projections.next_step import (
    Decider,
    answer_with,
    report_the_ending,
    rest_when_ended,
    rest_when_halted,
    settle_tools,
    stop_when_asked,
)
from messagedb_agent.projections.timers import Now, as_text, keep_time
from messagedb_agent.tools.registry import ToolRegistry


class Agent(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """
    Everything a run needs besides the store and the thread.

    `workspace` is the only folder that file tools may touch; `max_parallel_tools` bounds how
    many tool calls of one response run at once. `extra_deciders` are asked before all others.
    `run_timeout` bounds a run, steps that don't end included, and `approval_timeout` the wait
    for a person; both in seconds.
    """

    llm: LLM
    tools: ToolRegistry = msgspec.field(default_factory=ToolRegistry)
    system_prompt: str = DEFAULT_SYSTEM_PROMPT
    parameters: JSONObject = {}
    policy: ApprovalPolicy = ApprovalPolicy()
    limits: Limits = Limits()
    retry: RetryPolicy = RetryPolicy()
    workspace: Path = msgspec.field(default_factory=Path.cwd)
    max_parallel_tools: int = 8
    extra_deciders: tuple[Decider, ...] = ()
    run_timeout: float | None = None
    approval_timeout: float | None = None

    def configuration(self) -> AgentConfigured:
        """What each request of this agent carries, as the event that records it."""
        body = {
            "system_prompt": self.system_prompt,
            "tools": self.tools.declarations(),
            "model_name": self.llm.model_name,
            "parameters": self.parameters,
        }
        # Many threads are driven by one agent, and a digest costs more than a comparison.
        kept: tuple[Any, AgentConfigured] | None = self.__dict__.get("kept")
        if kept is None or kept[0] != body:
            kept = self.__dict__["kept"] = (body, _configured(**body))
        return kept[1]

    def deciders(
        self, elapsed: Callable[[], float] = no_time, now: Now = utc_now
    ) -> tuple[Decider, ...]:
        """The opinions that count, in this order. Worth keeping: making them takes a digest."""

        def expires_at() -> str | None:
            timeout = self.approval_timeout
            return None if timeout is None else as_text(now() + timedelta(seconds=timeout))

        return (
            *self.extra_deciders,
            rest_when_ended,
            keep_time(now),
            stop_when_asked,
            rest_when_halted,
            within(self.limits, elapsed),
            settle_tools(
                lambda call: self.policy.permission(call, self.tools),
                lambda call: recovery(call, self.tools),
                expires_at,
            ),
            answer_with(self.configuration()),
            report_the_ending,
        )


def reconfigured(current: AgentConfigured, *, model_name: str) -> AgentConfigured:
    """The same prompt, tools and parameters, for another model."""
    return _configured(
        system_prompt=current.system_prompt,
        tools=current.tools,
        model_name=model_name,
        parameters=current.parameters,
    )


def _configured(**body: Any) -> AgentConfigured:
    return AgentConfigured(**body, sha256=digest(body))
