"""What a tool is, and what it gets to know about its call."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.events.base import JSONObject

if TYPE_CHECKING:
    import psycopg

Permission: TypeAlias = Literal["allow", "ask", "deny"]
"""Whether a call may run at once, has to be approved first, or never runs."""

Recovery: TypeAlias = Literal["retry", "fail", "ask", "probe"]
"""
What becomes of a call whose process died while the tool ran.

retry: run it again with the same idempotency key. fail: tell the model that it was
interrupted and its effect is unknown. ask: wait for a person. probe: the tool's `probe`
function finds out what happened.
"""

DEFAULT_TIMEOUT_SECONDS = 60.0


class ToolProgress(msgspec.Struct, frozen=True):
    """How far one call of a tool is, in the tool's words; told to those who watch, not stored."""

    tool_call_id: str
    tool_name: str
    text: str


def ignore_progress(_told: Any) -> None:
    """For those who don't want to know how far a tool is."""


class ToolContext(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a tool may know about its call; a parameter annotated `ToolContext` receives it.

    `idempotency_key` is the same in every attempt of one call and different in any other:
    pass it on to services that take one. `workspace` is the only folder that file tools may
    touch. `progress` takes a line that tells those who watch how far the tool is; it may be
    called as often as wanted, and only the latest counts. `connection` is set for
    transactional tools only: an open psycopg connection whose work commits together with the
    event that the tool completed.
    """

    thread_id: str = ""
    tool_call_id: str = ""
    attempt: int = 1
    idempotency_key: str = ""
    workspace: Path = Path()
    cancelled: Cancellation = msgspec.field(default_factory=threading.Event)
    connection: psycopg.Connection[Any] | None = None
    progress: Callable[[str], None] = ignore_progress


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """
    A function that the model may call, and the terms on which it may.

    `parameters` is the JSON Schema of the arguments. `call` takes an object of arguments and
    the context, and raises `ToolError` with a text for the model; tools made by `@tool`
    validate the arguments first. `check` does only that, so that nobody is asked to approve
    a call that can't run. `timeout` is in seconds. `function` is the plain function behind
    a tool made by `@tool`.
    """

    name: str
    description: str
    parameters: JSONObject
    call: Callable[[JSONObject, ToolContext], Any]
    permission: Permission = "ask"
    recovery: Recovery = "fail"
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    transactional: bool = False
    probe: Callable[[JSONObject, ToolContext], Any] | None = None
    check: Callable[[JSONObject], object] | None = None
    function: Callable[..., Any] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """
        Call the function behind the tool as plain Python: nothing is validated or converted.

        Raises `TypeError` for a tool that was not made from a function.
        """
        if self.function is None:
            raise TypeError(f"tool {self.name} was not made from a function")
        return self.function(*args, **kwargs)

    @property
    def declaration(self) -> JSONObject:
        """What the model is told: `{name, description, parameters}`."""
        return {
            "name": self.name,
            "description": self.description,
            "parameters": self.parameters,
        }
