"""The `@tool` decorator: a function becomes something the model may call."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, get_args, overload

from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.base import (
    DEFAULT_TIMEOUT_SECONDS,
    Permission,
    Recovery,
    Tool,
    ToolContext,
)
from messagedb_agent.tools.schema import Signature, describe

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")

Probe = Callable[[JSONObject, ToolContext], Any]


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...


@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    permission: Permission = "ask",
    recovery: Recovery | None = None,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    transactional: bool = False,
    probe: Probe | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    permission: Permission = "ask",
    recovery: Recovery | None = None,
    timeout: float = DEFAULT_TIMEOUT_SECONDS,
    transactional: bool = False,
    probe: Probe | None = None,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """
    Make a tool of a function, as `@tool` or `@tool(...)`.

    Name, description and parameters come from the function's name, the first paragraph of
    its docstring, and its type hints with the docstring's `Args:`. A parameter annotated
    `ToolContext` receives the context of the call. `timeout` is in seconds. `recovery` is
    "fail" unless given, or "retry" for a transactional tool, since what it did rolled back
    with it. The result stays callable as the plain function.

    Raises `TypeError` for a function that no model could call and `ValueError` for terms
    that don't go together, both when the function is defined.
    """

    terms = _Terms(name, description, permission, recovery, timeout, transactional, probe)
    return terms.make if function is None else terms.make(function)


class _Terms(NamedTuple):
    """What was said about a tool before its function is known."""

    name: str | None
    description: str | None
    permission: Permission
    recovery: Recovery | None
    timeout: float
    transactional: bool
    probe: Probe | None

    def make(self, function: Callable[..., Any]) -> Tool:
        signature = describe(function)
        given = self.description
        made = Tool(
            name=getattr(function, "__name__", "") if self.name is None else self.name,
            description=signature.description if given is None else given,
            parameters=signature.parameters,
            call=_caller(function, signature),
            permission=self.permission,
            recovery=self.recovery or ("retry" if self.transactional else "fail"),
            timeout=self.timeout,
            transactional=self.transactional,
            probe=self.probe,
            check=signature.bind,
            function=function,
        )
        _refuse_odd_terms(made, signature)
        return made


def _caller(
    function: Callable[..., Any], signature: Signature
) -> Callable[[JSONObject, ToolContext], Any]:
    def call(arguments: JSONObject, context: ToolContext) -> Any:
        bound = signature.bind(arguments)
        if signature.context_parameter is not None:
            bound[signature.context_parameter] = context
        return function(**bound)

    return call


def _refuse_odd_terms(made: Tool, signature: Signature) -> None:
    if not _NAME.fullmatch(made.name):
        raise ValueError(
            f"tool name {made.name!r}: letters, digits, _ and -, at most 64, no digit or - first"
        )
    problems = {
        f"permission {made.permission!r} is none of {', '.join(get_args(Permission))}": (
            made.permission not in get_args(Permission)
        ),
        f"recovery {made.recovery!r} is none of {', '.join(get_args(Recovery))}": (
            made.recovery not in get_args(Recovery)
        ),
        'recovery="probe" needs a probe, and a probe needs recovery="probe"': (
            (made.recovery == "probe") is not (made.probe is not None)
        ),
        "a transactional tool needs a ToolContext parameter, for its connection": (
            made.transactional and signature.context_parameter is None
        ),
        "the timeout has to be more than 0 seconds": not made.timeout > 0,
    }
    for problem, present in problems.items():
        if present:
            raise ValueError(f"tool {made.name}: {problem}")
