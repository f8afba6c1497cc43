from __future__ import annotations

import json
from typing import Any

from messagedb_agent.testing.llm_contract import AdapterContract


class ClaudeContract(AdapterContract):
    def messages_of(self, body: Any) -> list[Any]:
        unmarked = json.loads(json.dumps(body))
        for message in unmarked["messages"]:
            for block in message["content"]:
                block.pop("cache_control", None)
        messages: list[Any] = unmarked["messages"]
        return messages


class TestClaudeOnVertex(ClaudeContract):
    model_name = "claude-sonnet-4-5@20250929"


class TestAnthropic(ClaudeContract):
    model_name = "anthropic:claude-sonnet-5-5"


class TestGeminiOnVertex(AdapterContract):
    model_name = "gemini-2.5-pro"

    def messages_of(self, body: Any) -> list[Any]:
        contents: list[Any] = body["contents"]
        return contents


class TestOpenAI(AdapterContract):
    model_name = "openai:qwen3"

    def messages_of(self, body: Any) -> list[Any]:
        messages: list[Any] = body["messages"]
        return messages
