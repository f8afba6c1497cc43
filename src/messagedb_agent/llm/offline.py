"""
The model that is there when no other is configured: rules, not a language model.

It drives the real loop (tool call, result, answer) without an account and says in every
answer what it is. A pure function of the request, so a resumed thread goes on as if it had
never stopped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm.base import Completion, Delta, ModelRequest, Usage, ignore_delta
from messagedb_agent.llm.offline_answers import STAND_IN, answer, greeting, help_text, introduction
from messagedb_agent.llm.offline_rules import MAX_CHARACTERS, plan
from messagedb_agent.llm.streaming import stop_if_cancelled, words
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)

_GREETING = re.compile(
    r"\s*(?:hi|hello|hey|hallo|moin|good (?:morning|day|evening))\b", re.IGNORECASE
)
_HELP = re.compile(r"\bhelp\b|\bwhat can you do\b|\bwho are you\b", re.IGNORECASE)


class OfflineModel:
    """A deterministic stand-in that understands simple requests for the builtin tools."""

    @property
    def model_name(self) -> str:
        """The name as configured, which is what events record."""
        return "offline"

    def complete(
        self,
        request: ModelRequest,
        *,
        on_delta: Callable[[Delta], None] = ignore_delta,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        """Call the tools that the last message asks for, or answer from their results."""
        stop_if_cancelled(cancelled)
        text, calls = _reply(request)
        for piece in words(text):
            stop_if_cancelled(cancelled)
            on_delta(Delta(piece))
        return Completion(
            text=text,
            tool_calls=calls,
            model_name=self.model_name,
            usage=_usage(request, text, calls),
            stop_reason="tool_use" if calls else "end_turn",
        )


def _reply(request: ModelRequest) -> tuple[str, tuple[ToolCall, ...]]:
    """
    What to say and which tools to call.

    Calls are made only where a person spoke last: one round of calls per message, so the
    stand-in can not loop.
    """
    messages = request.messages
    asked = messages[-1].text if messages and isinstance(messages[-1], UserMessage) else None
    results = _results(messages)
    found = answer(results) if results else ""
    if asked is None:
        return (f"{found}\n\n{STAND_IN}" if found else introduction(request.tools)), ()
    calls = tuple(
        ToolCall(_call_id(len(messages), asked, number), name, arguments)
        for number, (name, arguments) in enumerate(plan(asked, request.tools))
    )
    if calls:
        return found, calls
    said = _without_tools(asked, request)
    return (f"{found}\n\n{said}" if found else said), ()


def _without_tools(asked: str, request: ModelRequest) -> str:
    head = asked[:MAX_CHARACTERS]
    if _HELP.search(head):
        return help_text(request.tools)
    if _GREETING.match(head):
        return greeting(request.tools)
    return introduction(request.tools)


def _results(messages: Sequence[Message]) -> list[tuple[ToolCall, ToolResult]]:
    """The results that no answer has taken up yet, each with its call."""
    results: list[ToolResult] = []
    calls: dict[str, ToolCall] = {}
    for message in reversed(messages):
        if isinstance(message, ToolResult):
            results.append(message)
        elif isinstance(message, AssistantMessage):
            calls = {call.id: call for call in message.tool_calls}
            break
        elif results:
            break
    return [
        (calls.get(result.tool_call_id, ToolCall(name=result.tool_name)), result)
        for result in reversed(results)
    ]


def _call_id(message_count: int, asked: str, number: int) -> str:
    seed = f"{message_count}:{asked}".encode("utf-8", "surrogatepass")
    return f"off_{hashlib.sha256(seed).hexdigest()[:12]}_{number}"


def _usage(request: ModelRequest, text: str, calls: Sequence[ToolCall]) -> Usage:
    sent = len(request.system_prompt) + sum(
        len(message.text) if not isinstance(message, ToolResult) else len(str(message.result))
        for message in request.messages
    )
    got = len(text) + sum(len(call.name) + len(str(call.arguments)) for call in calls)
    tokens_in, tokens_out = -(-sent // 4), -(-got // 4)
    return Usage(
        input_tokens=tokens_in, output_tokens=tokens_out, total_tokens=tokens_in + tokens_out
    )
