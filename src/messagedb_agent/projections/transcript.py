"""What an event tells a person: who speaks, and what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from messagedb_agent.events import agent, system, tool, user
from messagedb_agent.events.base import IMPORTED_TIME, Event, UnknownEvent
from messagedb_agent.events.json_text import from_json

Voice: TypeAlias = Literal[
    "user", "assistant", "tool_call", "tool_result", "approval", "error", "system"
]


class Entry(msgspec.Struct, frozen=True):
    """One event in a transcript: the voice it is shown in, and its text."""

    voice: Voice
    text: str


def happened_at(time: datetime, metadata: str | None) -> datetime:
    """When an event happened: its time, unless its metadata says that it was imported then."""
    if metadata is None or IMPORTED_TIME not in metadata:
        return time
    told = from_json(metadata)
    try:
        return datetime.fromisoformat(told[IMPORTED_TIME]).replace(tzinfo=None)
    except (KeyError, TypeError, ValueError):
        # Somebody else's metadata, in which the name means something else.
        return time


def _json(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(_printable(value)).decode()


def _printable(value: Any) -> Any:
    """Numbers that JSON text can't hold, as text; for reading only."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        within = isinstance(value, float) or -(1 << 63) <= value < (1 << 63)
        return value if within and value - value == 0 else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    return value


def _call(name: str, arguments: Any) -> str:
    return f"{name} {_json(arguments)}" if arguments else name


def _said(event: user.UserMessageAdded) -> Entry:
    return Entry("user", "\n".join([event.message, *files_in(event.content or ())]))


def files_in(content: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each file that was sent along."""
    return [
        f"[{block.get('name') or block['type']}: {block.get('media_type')}, {_size(block)}]"
        for block in content
        if block.get("type") in ("image", "file")
    ]


def _size(block: Mapping[str, Any]) -> str:
    size = block.get("size")
    return f"{size:,} bytes" if isinstance(size, int) else "content in the message"


def _answer(event: agent.LLMResponseReceived) -> Entry:
    calls = [f"→ {_call(call.name, call.arguments)}" for call in event.tool_calls]
    text = "\n".join(([event.response_text] if event.response_text else []) + calls)
    if event.stop_reason in ("max_tokens", "context_window", "refusal", "safety"):
        text = f"{text}\n[the answer ended early: {event.stop_reason}]".lstrip()
    return Entry("assistant", text or "[empty answer]")


def _requested(event: agent.LLMCallRequested) -> Entry:
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    return Entry("system", f"asking {event.model_name or 'the model'}{again}")


def _failed(event: agent.LLMCallFailed) -> Entry:
    if event.error_type == "interrupted":
        return Entry("system", "the model call was interrupted")
    what = "the model call failed, trying again" if event.retryable else "the model call failed"
    return Entry("error", f"{what}: {event.error_message}")


def _completed(event: tool.ToolExecutionCompleted) -> Entry:
    took = f" ({event.execution_time_ms:g} ms)" if event.execution_time_ms else ""
    return Entry("tool_result", f"{event.tool_name} = {_json(shown_result(event))}{took}")


def shown_result(event: tool.ToolExecutionCompleted) -> Any:
    """The result; of one that is stored elsewhere its size, its hash and its beginning."""
    if event.stored is None:
        return event.result
    return f"[{event.stored.size:,} bytes, {event.stored.sha256[:12]}] {_json(event.result)}"


def _approved(event: user.ToolExecutionApproved) -> Entry:
    by = f" by {event.approved_by}" if event.approved_by else ""
    edited = "" if event.edited_arguments is None else f" with {_json(event.edited_arguments)}"
    remembered = f", and from now on for this {event.remember}" if event.remember else ""
    return Entry("approval", f"{event.tool_name} approved{by}{edited}{remembered}")


def _rejected(event: user.ToolExecutionRejected) -> Entry:
    by = f" by {event.rejected_by}" if event.rejected_by else ""
    reason = f": {event.reason}" if event.reason else ""
    return Entry("approval", f"{event.tool_name} rejected{by}{reason}")


def _asked(event: tool.ToolApprovalRequested) -> Entry:
    why = f" ({event.reason})" if event.reason else ""
    return Entry("approval", f"{_call(event.tool_name, event.arguments)} waits for approval{why}")


def _limited(event: system.LimitReached) -> Entry:
    return Entry("error", f"stopped at {event.limit}: {event.value:g} of {event.maximum:g}")


def _configured(event: agent.AgentConfigured) -> Entry:
    return Entry("system", f"configured: {event.model_name}, {len(event.tools)} tools")


def _with_reason(what: str) -> Callable[[Any], Entry]:
    def entry(event: Any) -> Entry:
        reason = event.reason
        return Entry("system", f"{what}: {reason}" if reason else what)

    return entry


def _tool_failed(event: tool.ToolExecutionFailed) -> Entry:
    return Entry("error", f"{event.tool_name} failed: {event.error_message}")


def _tool_requested(event: tool.ToolExecutionRequested) -> Entry:
    again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
    return Entry("tool_call", f"{_call(event.tool_name, event.arguments)}{again}")


_ENTRIES: dict[type[Event], Callable[[Any], Entry]] = {
    user.UserMessageAdded: _said,
    agent.LLMResponseReceived: _answer,
    agent.AgentConfigured: _configured,
    agent.LLMCallRequested: _requested,
    agent.LLMCallStarted: lambda event: Entry(
        "system", f"asking {event.model_name or 'the model'}"
    ),
    agent.LLMCallFailed: _failed,
    tool.ToolExecutionRequested: _tool_requested,
    tool.ToolExecutionStarted: lambda event: Entry("tool_call", f"{event.tool_name} started"),
    tool.ToolExecutionCompleted: _completed,
    tool.ToolExecutionFailed: _tool_failed,
    tool.ToolApprovalRequested: _asked,
    user.ToolExecutionApproved: _approved,
    user.ToolExecutionRejected: _rejected,
    user.MessageScheduled: lambda event: Entry(
        "system", f"scheduled {event.schedule_id[:8]} for {event.due_at}: {event.message}"
    ),
    user.MessageUnscheduled: lambda event: Entry(
        "system",
        f"unscheduled {event.schedule_id[:8]}{f': {event.reason}' if event.reason else ''}",
    ),
    user.SessionTerminationRequested: _with_reason("asked to end"),
    user.TurnInterruptRequested: _with_reason("asked to stop"),
    user.TurnResumed: _with_reason("resumed"),
    user.ThreadReopened: _with_reason("reopened"),
    user.ThreadRenamed: lambda event: Entry("system", f"renamed to {event.title}"),
    user.DisplayPreferenceUpdated: lambda _event: Entry("system", "display preference updated"),
    system.SessionStarted: lambda _event: Entry("system", "started"),
    system.SessionCompleted: lambda event: Entry("system", f"ended: {event.completion_reason}"),
    system.ErrorOccurred: lambda event: Entry(
        "error", f"{event.error_type}: {event.error_message}"
    ),
    system.TurnInterrupted: _with_reason("interrupted"),
    system.LimitReached: _limited,
    system.ThreadForked: lambda event: Entry(
        "system", f"forked from {event.origin_stream_name} at {event.origin_position}"
    ),
    system.ThreadRewound: lambda event: Entry("system", f"rewound to {event.to_position}"),
}


def entry(event: Event) -> Entry:
    """How an event reads; one that this program does not know shows its type and data."""
    if isinstance(event, UnknownEvent):
        return Entry("system", f"{event.type_name} {_json(event.data)}")
    make = _ENTRIES.get(type(event))
    if make is not None:
        return make(event)
    return Entry("system", f"{type(event).__name__} {_json(msgspec.structs.asdict(event))}")
