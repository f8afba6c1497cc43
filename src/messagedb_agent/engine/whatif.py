"""What if another model had answered: tools that only repeat what is recorded."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

from messagedb_agent.errors import ToolError
from messagedb_agent.events.agent import AgentConfigured, LLMResponseReceived, ToolCall
from messagedb_agent.events.base import Event, JSONObject
from messagedb_agent.events.json_text import canonical
from messagedb_agent.events.tool import ToolExecutionCompleted, ToolExecutionFailed
from messagedb_agent.tools.base import Tool, ToolContext
from messagedb_agent.tools.registry import ToolRegistry

NOT_RECORDED = "This call is not part of the recorded history, so there is no result for it."

_Outcome = ToolExecutionCompleted | ToolExecutionFailed


class Recording:
    """
    The outcomes of a history's tool calls, by tool and arguments.

    The same call made again gets the next outcome that was recorded for it, and the last one
    once they are used up. Results that are stored elsewhere have to be in place: see
    `Contents.whole`.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self._outcomes: dict[tuple[str, bytes], deque[_Outcome]] = defaultdict(deque)
        self._declarations: tuple[JSONObject, ...] = ()
        asked: dict[str | None, ToolCall] = {}
        for event in events:
            match event:
                case AgentConfigured():
                    self._declarations = event.tools
                case LLMResponseReceived():
                    asked = {call.id: call for call in event.tool_calls}
                case ToolExecutionCompleted() | ToolExecutionFailed() if event.call_id in asked:
                    call = asked[event.call_id]
                    self._outcomes[_key(call.name, call.arguments)].append(event)

    def tools(self) -> ToolRegistry:
        """The tools that the history declared, answering from it. None of them does anything."""
        return ToolRegistry(*map(self._tool, self._declarations))

    def _tool(self, declaration: JSONObject) -> Tool:
        name = str(declaration["name"])
        return Tool(
            name=name,
            description=str(declaration.get("description", "")),
            parameters=declaration.get("parameters", {}),
            call=lambda arguments, _context: self._answer(name, arguments, _context),
            permission="allow",
            recovery="retry",
        )

    def _answer(self, name: str, arguments: JSONObject, _context: ToolContext) -> Any:
        outcomes = self._outcomes.get(_key(name, arguments))
        if not outcomes:
            raise ToolError(NOT_RECORDED)
        outcome = outcomes.popleft() if len(outcomes) > 1 else outcomes[0]
        if isinstance(outcome, ToolExecutionFailed):
            raise ToolError(outcome.error_message)
        return outcome.result


def _key(name: str, arguments: Any) -> tuple[str, bytes]:
    return name, canonical(arguments)
