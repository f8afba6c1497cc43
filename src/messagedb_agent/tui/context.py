"""What a model saw, as entries of a chat. Pure."""

from __future__ import annotations

from messagedb_agent.engine.review import Review
from messagedb_agent.events.base import JSONObject
from messagedb_agent.projections.messages import AssistantMessage, ToolResult, UserMessage
from messagedb_agent.projections.transcript import files_in
from messagedb_agent.tui.entries import Entry, ToolView
from messagedb_agent.tui.text import pretty


def context_entries(found: Review) -> list[Entry]:
    """The request of a review, from the system prompt to its last message."""
    request = found.request
    head = [Entry(kind="system", text=f"system prompt\n{request.system_prompt or '[none]'}")]
    if request.parameters:
        head.append(Entry(kind="system", text=f"parameters {pretty(request.parameters)}"))
    tools = [f"\n{tool.get('name')}: {_summary(tool)}" for tool in request.tools]
    head.append(Entry(kind="system", text=f"{len(tools)} tools{''.join(tools)}"))
    return [*head, *_messages(found)]


def _summary(tool: JSONObject) -> str:
    return str(tool.get("description") or "").partition("\n")[0]


def _messages(found: Review) -> list[Entry]:
    entries: list[Entry] = []
    places: dict[str, int] = {}
    for message in found.request.messages:
        match message:
            case UserMessage():
                files = "\n".join(files_in(message.content))
                entries.append(Entry(kind="user", text=message.text, note=files))
            case AssistantMessage():
                if message.text:
                    entries.append(Entry(kind="answer", text=message.text))
                for call in message.tool_calls:
                    places[call.id] = len(entries)
                    view = ToolView(name=call.name, arguments=call.arguments, call_id=call.id)
                    entries.append(Entry(kind="tool", tool=view))
            case ToolResult():
                _answer(entries, places.get(message.tool_call_id), message)
    return entries


def _answer(entries: list[Entry], place: int | None, message: ToolResult) -> None:
    asked = entries[place].tool if place is not None else None
    view = ToolView(
        name=message.tool_name,
        arguments=asked.arguments if asked else None,
        call_id=message.tool_call_id,
        status="failed" if message.is_error else "done",
        result=message.result,
    )
    if place is None:
        entries.append(Entry(kind="tool", tool=view))
    else:
        entries[place] = Entry(kind="tool", tool=view)
