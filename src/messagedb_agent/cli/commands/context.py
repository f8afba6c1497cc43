"""context: what a model was given, derived again from the stream."""

from __future__ import annotations

import argparse
import json
from typing import Any

import msgspec

from messagedb_agent.cli.commands.travel import on_thread
from messagedb_agent.cli.terminal import complain, paint, say, visible
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.review import Review, review
from messagedb_agent.projections.messages import AssistantMessage, Message, UserMessage
from messagedb_agent.projections.transcript import files_in
from messagedb_agent.store.stream import parse_stream_name

_VERDICTS = {
    True: "the very request that was made",
    False: "NOT the request that was made",
    None: "no digest was recorded to compare with",
}


def context(options: argparse.Namespace) -> int:
    """Print what the model saw when it was called; exit code 1 when that can't be derived."""
    with on_thread(options, options.thread) as (store, stream_name):
        found = review(read_history(store, stream_name, options.at))
        # Files are told by name and size: their contents are no reading matter.
        messages = Contents(store).resolve(found.request.messages, files=False)
        found = msgspec.structs.replace(
            found, request=msgspec.structs.replace(found.request, messages=messages)
        )
    if options.format == "json":
        say(json.dumps(_as_object(found, stream_name), indent=2))
    else:
        _print(found)
    if found.matches is False:
        complain(
            f"this is not what the model saw at position {found.position}: the digest recorded "
            "there differs; another version of this program may have derived it otherwise"
        )
        return 1
    return 0


def _as_object(found: Review, stream_name: str) -> dict[str, Any]:
    request = found.request
    return {
        "thread_id": parse_stream_name(stream_name).thread_id,
        "position": found.position,
        "model_name": request.model_name,
        "attempt": request.attempt,
        "system_prompt": request.system_prompt,
        "tools": list(request.tools),
        "parameters": dict(request.parameters),
        "messages": [msgspec.to_builtins(message) for message in request.messages],
        "sha256": found.sha256,
        "recorded_sha256": found.recorded_sha256,
        "matches": found.matches,
    }


def _print(found: Review) -> None:
    request = found.request
    count = f"{len(request.messages)} messages, {_VERDICTS[found.matches]}"
    say(paint(f"{visible(request.model_name)} at position {found.position}: {count}", "bold"))
    _section("system prompt", request.system_prompt)
    if request.parameters:
        _section("parameters", _json(request.parameters))
    tools = [f"{tool.get('name')}: {_summary(tool)}" for tool in request.tools]
    _section(f"{len(tools)} tools", "\n".join(tools))
    for message in request.messages:
        _section(*_told(message))


def _summary(tool: Any) -> str:
    return str(tool.get("description") or "").partition("\n")[0]


def _told(message: Message) -> tuple[str, str]:
    match message:
        case UserMessage():
            return "user", "\n".join([message.text, *files_in(message.content)])
        case AssistantMessage():
            calls = [f"→ {call.name} {_json(call.arguments)}" for call in message.tool_calls]
            return "assistant", "\n".join([*([message.text] if message.text else []), *calls])
        case _:
            kind = "tool error" if message.is_error else "tool result"
            return f"{kind} of {message.tool_name}", _json(message.result)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _section(title: str, text: str) -> None:
    say(paint(f"--- {visible(title)}", "cyan"))
    if text:
        say(visible(text))
