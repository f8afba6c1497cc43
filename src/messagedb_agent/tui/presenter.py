"""From events to the entries of a chat. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from messagedb_agent.events import agent, tool, user
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.projections.transcript import Voice, entry, happened_at, shown_result
from messagedb_agent.tui.entries import Entry, Kind, ToolView

_KINDS: dict[Voice, Kind] = {
    "user": "user",
    "assistant": "answer",
    "tool_call": "system",
    "tool_result": "system",
    "approval": "approval",
    "error": "error",
    "system": "system",
}

# What the status line tells, or what another entry tells better.
_SILENT = (agent.LLMCallRequested, agent.LLMCallStarted, tool.ToolExecutionStarted)

_CUT_OFF = ("max_tokens", "context_window", "refusal", "safety")


class Presenter:
    """
    The chat of one thread, kept up to date event by event.

    A tool call is one entry from the request to the result, and so is an approval from the
    question to the answer; these change in place, all else is only added.
    """

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.records: list[RecordedEvent] = []
        self._calls: dict[str, int] = {}
        self._asked: dict[str, int] = {}
        self._began: dict[int, datetime] = {}
        self._changed: set[int] = set()
        self._shown: dict[type[Event], Callable[[RecordedEvent, Any], None]] = {
            user.UserMessageAdded: self._user,
            agent.LLMResponseReceived: self._answer,
            tool.ToolExecutionRequested: self._claim,
            tool.ToolExecutionCompleted: self._complete,
            tool.ToolExecutionFailed: self._fail,
            tool.ToolApprovalRequested: self._ask,
            user.ToolExecutionApproved: self._decide,
            user.ToolExecutionRejected: self._decide,
        }

    def take(self, records: Iterable[RecordedEvent]) -> set[int]:
        """Add events of the stream; the indexes of entries that are new or look different."""
        self._changed = set()
        for record in records:
            self.records.append(record)
            show = self._shown.get(type(record.event))
            if show is not None:
                show(record, record.event)
            elif not isinstance(record.event, _SILENT):
                told = entry(record.event)
                self._add(_KINDS[told.voice], told.text, record)
        return self._changed

    def note(self, kind: Kind, text: str, note: str = "") -> set[int]:
        """Add what the program itself has to say; it is in no stream."""
        self.entries.append(Entry(kind=kind, text=text, note=note))
        return {len(self.entries) - 1}

    def progress(self, call_id: str, text: str) -> set[int]:
        """Show what a tool tells while it runs; it is in no stream."""
        index = self._calls.get(call_id)
        view = None if index is None else self.entries[index].tool
        if index is None or view is None or view.status != "running":
            return set()
        self._changed = set()
        self._change_at(index, {"progress": text})
        return self._changed

    def said(self) -> list[str]:
        """The user's messages, oldest first."""
        return [item.text for item in self.entries if item.kind == "user"]

    def _add(
        self,
        kind: Kind,
        text: str,
        record: RecordedEvent,
        view: ToolView | None = None,
        note: str = "",
    ) -> int:
        added = Entry(
            kind=kind,
            text=text,
            note=note,
            position=record.position,
            stream_name=record.stream_name,
            tool=view,
        )
        self.entries.append(added)
        index = len(self.entries) - 1
        self._changed.add(index)
        return index

    def _user(self, record: RecordedEvent, event: user.UserMessageAdded) -> None:
        files = tuple(block for block in event.content or () if block.get("type") != "text")
        attached = f"and {len(files)} attachment{'s' * (len(files) > 1)}" if files else ""
        index = self._add("user", event.message, record, note=attached)
        if files:
            self.entries[index] = msgspec.structs.replace(self.entries[index], files=files)

    def _answer(self, record: RecordedEvent, event: agent.LLMResponseReceived) -> None:
        if thought := thinking(event.content or ()):
            self._add("thinking", thought, record)
        if event.response_text or not (event.tool_calls or event.stop_reason == "pause"):
            self._add("answer", event.response_text or "[empty answer]", record)
        if event.stop_reason in _CUT_OFF:
            self._add("error", f"the answer ended early: {event.stop_reason}", record)
        self._calls = {}
        for number, call in enumerate(event.tool_calls):
            view = ToolView(name=call.name, arguments=call.arguments, call_id=call.id)
            self._calls[call.id or f"call_{number}"] = self._add("tool", "", record, view)

    def _find(self, call_id: str | None, name: str) -> int | None:
        """The entry of a call; earlier programs did not always write the id, so then by name."""
        if call_id is not None and call_id in self._calls:
            return self._calls[call_id]
        for index in self._calls.values():
            view = self.entries[index].tool
            if call_id is None and view and view.name == name and view.status != "done":
                return index
        return None

    def _change(self, record: RecordedEvent, event: tool.ToolEvent, **changes: Any) -> int:
        """Change the entry of a call, or begin one for a call that nobody asked for."""
        index = self._find(event.call_id, event.tool_name)
        if index is None:
            view = ToolView(name=event.tool_name, call_id=event.call_id)
            index = self._add("tool", "", record, view)
            self._calls[event.call_id or f"position {record.position}"] = index
        self._change_at(index, changes)
        return index

    def _change_at(self, index: int, changes: dict[str, Any]) -> None:
        old = self.entries[index]
        assert old.tool is not None
        view = msgspec.structs.replace(old.tool, **changes)
        self.entries[index] = msgspec.structs.replace(old, tool=view)
        self._changed.add(index)

    def _claim(self, record: RecordedEvent, event: tool.ToolExecutionRequested) -> None:
        index = self._change(
            record,
            event,
            status="running",
            arguments=event.arguments,
            attempt=event.attempt,
            progress="",
        )
        self._began[index] = happened_at(record.time, record.metadata_text)

    def _complete(self, record: RecordedEvent, event: tool.ToolExecutionCompleted) -> None:
        took = event.execution_time_ms or None
        self._change(record, event, status="done", result=shown_result(event), duration_ms=took)

    def _fail(self, record: RecordedEvent, event: tool.ToolExecutionFailed) -> None:
        index = self._change(record, event, status="failed", result=event.error_message)
        if began := self._began.get(index):
            ended = happened_at(record.time, record.metadata_text)
            took = max(0.0, (ended - began).total_seconds() * 1000)
            self._change(record, event, duration_ms=took)

    def _ask(self, record: RecordedEvent, event: tool.ToolApprovalRequested) -> None:
        self._change(record, event, status="waiting", arguments=event.arguments)
        why = f" ({event.reason})" if event.reason else ""
        text = f"{event.tool_name} waits for approval{why}"
        self._asked[event.call_id or event.tool_name] = self._add("approval", text, record)

    def _decide(
        self,
        record: RecordedEvent,
        event: user.ToolExecutionApproved | user.ToolExecutionRejected,
    ) -> None:
        told = entry(event)
        index = self._asked.pop(event.tool_call_id or event.tool_name, None)
        if index is None:
            self._add("approval", told.text, record)
        else:
            self.entries[index] = msgspec.structs.replace(self.entries[index], text=told.text)
            self._changed.add(index)
        changes: dict[str, Any] = {"status": "asked"}
        if isinstance(event, user.ToolExecutionRejected):
            changes = {"status": "rejected", "result": event.reason or "no reason given"}
        elif event.edited_arguments is not None:
            changes["arguments"] = event.edited_arguments
        call = self._find(event.tool_call_id, event.tool_name)
        if call is not None:
            self._change_at(call, changes)


def thinking(blocks: Iterable[Mapping[str, Any]]) -> str:
    """What a model thought, as far as its provider's blocks tell it."""
    thoughts = [_thought(block) for block in blocks]
    return "\n\n".join(thought for thought in thoughts if thought)


def _thought(block: Mapping[str, Any]) -> str:
    if block.get("type") == "thinking":
        text = block.get("thinking")
    elif block.get("thought") is True:
        text = block.get("text")
    else:
        text = block.get("reasoning_content")
    return text if isinstance(text, str) else ""
