"""Tools, answers and faults to test models with."""

from __future__ import annotations

import json
from typing import Any

from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.base import Completion
from messagedb_agent.projections.messages import AssistantMessage, ToolResult
from messagedb_agent.testing.provider_frames import Reply, ReplyCall

TOOLS: tuple[JSONObject, ...] = tuple(
    {
        "name": name,
        "description": f"the tool {name}",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
    }
    for name in ("calculate", "echo")
)
TWO_CALLS = (
    ReplyCall("calculate", '{"text": "6*7"}', "t1", "c2lnbmVk"),
    ReplyCall("echo", '{"text": "hi \\u00e9", "a": [1]}', "t2"),
)
FAULTS: list[tuple[Reply, str, bool]] = [
    (Reply(status=400, body={"error": {"message": "bad field"}}), "invalid_request", False),
    (
        Reply(status=400, body={"error": {"message": "prompt is too long: 9 > 8 tokens"}}),
        "context_length",
        False,
    ),
    (Reply(status=401, body={"error": {"message": "who?"}}), "authentication", False),
    (Reply(status=403, body={"error": {"message": "no"}}), "permission", False),
    (Reply(status=404, body={"error": {"message": "no such model"}}), "not_found", False),
    (Reply(status=413, body={"error": {"message": "large"}}), "invalid_request", False),
    (Reply(status=429, body={"error": {"message": "slow"}}), "rate_limit", True),
    (Reply(status=500, body=b"oops"), "server_error", True),
    (Reply(status=502, body=b""), "server_error", True),
    (Reply(status=503, body={"error": {"message": "later"}}), "overloaded", True),
    (Reply(status=504, body={}), "timeout", True),
    (Reply(status=529, body={"error": {"message": "full"}}), "overloaded", True),
    (Reply(fault="drop"), "connection", True),
    (Reply(text="half an answer", fault="cut", after=2), "connection", True),
    (Reply(text="half an answer", fault="end", after=2), "truncated", True),
    (Reply(calls=TWO_CALLS, fault="end", after=2), "truncated", True),
    (Reply(text="half an answer", fault="garbage", after=2), "malformed", True),
    (Reply(frames=()), "truncated", True),
]


def remember(completion: Completion) -> AssistantMessage:
    """The answer as it comes back from a store that reorders keys."""
    content = json.loads(json.dumps(completion.content, sort_keys=True))
    return AssistantMessage(
        completion.text,
        completion.tool_calls,
        tuple(dict(reversed(block.items())) for block in content),
        completion.api,
        completion.model_name,
    )


def results_for(answer: AssistantMessage, *results: Any) -> list[ToolResult]:
    """Results for the calls of an answer, an exception meaning an error."""
    return [
        ToolResult(call.id, call.name, str(result), is_error=True)
        if isinstance(result, Exception)
        else ToolResult(call.id, call.name, result)
        for call, result in zip(answer.tool_calls, results, strict=True)
    ]
