"""What tools were asked to do, and how it ended."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from messagedb_agent.events.base import RUN_METADATA, Event

_CALL = frozenset({"tool_id", "tool_call_id", "tool_index"})


class ToolEvent(Event, frozen=True, kw_only=True):
    """
    What all events of one call share: whose call it is.

    `tool_call_id` is the model's id of the call, `tool_index` its place in the response,
    from 0. `tool_id` is the name that earlier programs used for the id; both are written.
    """

    METADATA: ClassVar[frozenset[str]] = _CALL

    tool_name: str = ""
    tool_id: str | None = None
    tool_call_id: str | None = None
    tool_index: int | None = None

    @property
    def call_id(self) -> str | None:
        """The id of the call, whichever key carries it."""
        return self.tool_call_id or self.tool_id


class ToolExecutionRequested(ToolEvent, frozen=True, kw_only=True):
    """
    The claim of a tool step: the tool is about to run, for the `attempt`-th time.

    What it says of the run is as in `LLMCallRequested`.
    """

    METADATA: ClassVar[frozenset[str]] = _CALL | RUN_METADATA | {"attempt"}

    arguments: Any = None
    attempt: int = 1
    run_id: str | None = None
    run_timeout: float | None = None
    run_deadline: str | None = None


class ToolExecutionStarted(ToolEvent, frozen=True, kw_only=True):
    """The tool began to run; written by earlier programs after the request."""

    arguments: Any = None


class StoredResult(msgspec.Struct, frozen=True, gc=False):
    """Which `ToolResultStored` has the result: SHA-256 and bytes of its canonical JSON."""

    sha256: str
    size: int


class ToolExecutionCompleted(ToolEvent, frozen=True, kw_only=True):
    """
    The tool answered. `result` is any JSON value; `execution_time_ms` is wall time.

    With `stored` the result is elsewhere, and `result` is the beginning of its text. With
    `probed` the tool was interrupted, and its probe found the result out.
    """

    result: Any = None
    execution_time_ms: float = 0.0
    stored: StoredResult | None = None
    probed: bool | None = None


class ToolResultStored(Event, frozen=True, kw_only=True):
    """A large result, as JSON, in a stream of its own that its hash names."""

    sha256: str = ""
    size: int = 0
    result: Any = None


class ToolExecutionFailed(ToolEvent, frozen=True, kw_only=True):
    """
    The call is over without an answer; the model reads `error_message` as its result.

    `execution_time_ms` is wall time, of a call that a step has ended.
    """

    error_message: str = ""
    retry_count: int = 0
    error_type: str | None = None
    execution_time_ms: float | None = None


class ToolApprovalRequested(ToolEvent, frozen=True, kw_only=True):
    """The call waits until somebody approves or rejects it, or `expires_at` (UTC) has come."""

    arguments: Any = None
    reason: str | None = None
    expires_at: str | None = None
