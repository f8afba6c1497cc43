"""What the offline stand-in says. Every text that ends a turn says what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import JSONObject
from messagedb_agent.projections.messages import ToolResult

STAND_IN = "[offline stand-in: rules, not a language model; set MODEL_NAME to use a real one]"
MAX_SHOWN = 2_000

_EXAMPLES = {
    "calculate": "What is 6 * 7?",
    "get_current_time": "What time is it in Tokyo?",
    "echo": "echo hello",
    "list_files": "list files",
    "read_file": "read README.md",
    "search_files": "search for event in files",
    "run_command": "run ls -l",
    "write_file": "write 'hello' to hello.txt",
    "edit_file": "replace 'hello' with 'goodbye' in hello.txt",
    "fetch_url": "fetch https://example.com/",
}
_REAL_MODELS = (
    "For a real model set MODEL_NAME: claude-sonnet-4-5@20250929 or gemini-2.5-pro (Vertex AI, "
    "with GCP_PROJECT), anthropic:NAME (with ANTHROPIC_API_KEY), or openai:NAME (with "
    "OPENAI_BASE_URL: Ollama, vLLM, llama.cpp, OpenAI)."
)
_MAX_ITEMS = 200


def introduction(tools: Sequence[JSONObject]) -> str:
    """What it is and how to get a real model: the answer to whatever no rule understands."""
    return (
        "I am the offline stand-in: I follow a few rules and am not a language model, so I can't "
        f"answer this. {_try(tools)}\n{_REAL_MODELS}"
    )


def greeting(tools: Sequence[JSONObject]) -> str:
    """The answer to a greeting."""
    return f"Hello! {_try(tools)}\n\n{STAND_IN}"


def help_text(tools: Sequence[JSONObject]) -> str:
    """The answer to a call for help."""
    lines = "\n".join(f"- {example}" for example in _examples(tools))
    known = (
        f"I understand requests like these, also several in one message:\n{lines}\n"
        if lines
        else ""
    )
    return f"I am the offline stand-in: rules, not a language model.\n{known}{_REAL_MODELS}"


def _try(tools: Sequence[JSONObject]) -> str:
    examples = _examples(tools)
    if not examples:
        return "None of the tools that I know is offered here."
    return "Try: " + " · ".join(f"“{example}”" for example in examples[:4])


def _examples(tools: Sequence[JSONObject]) -> list[str]:
    offered = {tool.get("name") for tool in tools}
    return [example for name, example in _EXAMPLES.items() if name in offered]


def answer(results: Sequence[tuple[ToolCall, ToolResult]]) -> str:
    """What the tools of one round found out, in call order."""
    return "\n\n".join(_sentence(call, result) for call, result in results)


def _sentence(call: ToolCall, result: ToolResult) -> str:
    name = call.name or result.tool_name or "the tool"
    arguments = call.arguments if isinstance(call.arguments, Mapping) else {}
    about = _about(arguments)
    shown = _shown(_text(result.result))
    if result.is_error:
        return f"{name} failed: {shown}"
    if name == "calculate" and about:
        return f"{about} = {shown}"
    if name == "echo":
        return shown
    if name == "get_current_time":
        return f"The time is {shown}"
    title = f"{name} {about}".strip()
    return f"{title}:\n{shown or '(nothing)'}"


def _about(arguments: Mapping[str, Any]) -> str:
    """What a call was about: its path, expression, text or command."""
    if isinstance(arguments.get("path"), str) and "query" not in arguments:
        return str(arguments["path"])
    for value in arguments.values():
        if isinstance(value, str):
            return value
        if isinstance(value, list):
            return " ".join(map(str, value))
    return ""


def _text(value: Any) -> str:
    match value:
        case str():
            return value
        case {"exit_code": code, "stdout": str(out), "stderr": str(err)}:
            return "\n".join(
                part.strip() for part in (out, err, f"exit code {code}") if part.strip()
            )
        case {"path": path, "line": line, "text": text}:
            return f"{path}:{line}: {text}"
        case {"path": str(), "bytes": size, "created": created}:
            return f"{'created' if created else 'replaced'}, {size} bytes"
        case {"content": main} | {"text": main} | {"entries": main} | {"matches": main}:
            more = "\n(and more)" if value.get("truncated") else ""
            return f"{_text(main)}{more}"
        case list() | tuple():
            return "\n".join(_text(item) for item in value[:_MAX_ITEMS])
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)


def _shown(text: str) -> str:
    text = text.strip()
    hidden = len(text) - MAX_SHOWN
    return f"{text[:MAX_SHOWN]}\n… ({hidden} more characters)" if hidden > 0 else text
