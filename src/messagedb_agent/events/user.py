"""What people said and decided."""

from __future__ import annotations

from typing import Any, ClassVar

from messagedb_agent.events.base import Event, JSONObject


class UserMessageAdded(Event, frozen=True, kw_only=True):
    """
    Somebody wrote to the agent; `content` holds blocks besides the text.

    Blocks are `{type: text, text}`, or `{type: image | file, media_type, name, sha256, size}`
    with the content elsewhere (`AttachmentStored`), or with it in place as base64 `data`.
    `schedule_id` names the `MessageScheduled` whose time had come.
    """

    METADATA: ClassVar[frozenset[str]] = frozenset({"schedule_id"})

    message: str
    timestamp: str | None = None
    content: tuple[JSONObject, ...] | None = None
    schedule_id: str | None = None


class MessageScheduled(Event, frozen=True, kw_only=True):
    """Somebody wrote a message that is to be added to the thread at `due_at` (UTC)."""

    schedule_id: str = ""
    message: str = ""
    due_at: str = ""
    content: tuple[JSONObject, ...] | None = None


class MessageUnscheduled(Event, frozen=True, kw_only=True):
    """Somebody took a `MessageScheduled` back before its time had come."""

    schedule_id: str = ""
    reason: str | None = None


class AttachmentStored(Event, frozen=True, kw_only=True):
    """A file's content, in base64, in a stream of its own that its hash names."""

    sha256: str = ""
    media_type: str = ""
    size: int = 0
    data: str = ""


class ToolExecutionApproved(Event, frozen=True, kw_only=True):
    """
    A call that had to be asked for may run, with `edited_arguments` if given.

    `remember` widens the permission: "tool" for every later call of this tool in the thread,
    "arguments" for later calls of it with the same arguments.
    """

    METADATA: ClassVar[frozenset[str]] = frozenset({"tool_call_id"})

    tool_name: str = ""
    approved_by: str | None = None
    edited_arguments: Any = None
    remember: str | None = None
    tool_call_id: str | None = None


class ToolExecutionRejected(Event, frozen=True, kw_only=True):
    """A call must not run; the model reads the reason as its result."""

    METADATA: ClassVar[frozenset[str]] = frozenset({"tool_call_id"})

    tool_name: str = ""
    rejected_by: str | None = None
    reason: str | None = None
    tool_call_id: str | None = None


class SessionTerminationRequested(Event, frozen=True, kw_only=True):
    """Somebody wants the thread to end."""

    reason: str | None = None


class TurnInterruptRequested(Event, frozen=True, kw_only=True):
    """Somebody wants the running turn to stop, whichever process drives it."""

    reason: str | None = None


class TurnResumed(Event, frozen=True, kw_only=True):
    """Somebody wants a turn that failed, was interrupted or met a limit to go on."""

    reason: str | None = None


class ThreadReopened(Event, frozen=True, kw_only=True):
    """An ended thread takes messages again."""

    reason: str | None = None


class ThreadRenamed(Event, frozen=True, kw_only=True):
    """The thread has a new title."""

    title: str


class DisplayPreferenceUpdated(Event, frozen=True, kw_only=True):
    """How somebody wants to see the thread; of earlier programs, without effect on the agent."""

    preference: str | None = None
    instruction: str | None = None
    merged_prompt: str | None = None
