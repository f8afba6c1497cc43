"""What holds for every history: the providers' pairing rules, and that requests only grow."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm.adapters import anthropic_wire, gemini_wire, openai_wire
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)

MODEL = "m"
TEXTS = st.sampled_from(["", " ", "hello", "\ud800", "\x00", "two\nlines"])
VALUES = st.sampled_from([None, "", "done", 42, {"b": [1], "a": None}, float("nan"), "\udfff"])
ARGUMENTS = st.sampled_from([{}, {"b": 1, "a": "x"}, "{broken", None])
ToRequest = Callable[[ModelRequest, str], dict[str, Any]]


def content_of(api: str, text: str, calls: tuple[ToolCall, ...]) -> tuple[dict[str, Any], ...]:
    if api == "anthropic":
        blocks: list[dict[str, Any]] = [{"type": "thinking", "thinking": "", "signature": "s"}]
        blocks += [{"type": "text", "text": text}] if text else []
        blocks += [{"type": "tool_use", "id": c.id, "name": c.name, "input": {}} for c in calls]
        return tuple(blocks)
    if api == "gemini":
        parts: list[dict[str, Any]] = [{"text": text}] if text else []
        parts += [{"functionCall": {"name": c.name, "args": {}}} for c in calls]
        return tuple(parts)
    return ({"role": "assistant", "content": text},) if api == "openai" else ()


@st.composite
def answers(draw: st.DrawFn, number: int) -> AssistantMessage:
    calls = tuple(
        ToolCall(f"c{number}_{index}", draw(st.sampled_from(["echo", "calculate"])), arguments)
        for index, arguments in enumerate(draw(st.lists(ARGUMENTS, max_size=3)))
    )
    text, api = draw(TEXTS), draw(st.sampled_from(["anthropic", "gemini", "openai", "other"]))
    content = content_of(api, text, calls) if draw(st.booleans()) else ()
    return AssistantMessage(text, calls, content, api, MODEL)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Message], list[int]]:
    """What the engine can produce, and the lengths at which it asks the model."""
    messages: list[Message] = []
    asks: list[int] = []
    for number in range(draw(st.integers(1, 5))):
        open_calls = messages and isinstance(messages[-1], ToolResult)
        if not open_calls or draw(st.booleans()):
            messages += [
                UserMessage(text) for text in draw(st.lists(TEXTS, min_size=1, max_size=2))
            ]
        asks.append(len(messages))
        answer = draw(answers(number))
        messages.append(answer)
        outcomes: list[Message] = [
            ToolResult(call.id, call.name, draw(VALUES), draw(st.booleans()))
            for call in answer.tool_calls
        ]
        somebody_writes: bool = draw(st.booleans())
        if outcomes and somebody_writes:
            outcomes.append(UserMessage("by the way"))
        shuffled: list[Message] = draw(st.permutations(outcomes))
        messages += shuffled
    messages += [UserMessage("and now?")]
    return messages, [*asks, len(messages)]


ANY_MESSAGE = st.one_of(
    st.builds(UserMessage, TEXTS),
    st.integers(0, 2).flatmap(answers),
    st.builds(
        ToolResult,
        st.sampled_from(["c0_0", "c0_1", "c1_0", "lost"]),
        st.just("echo"),
        VALUES,
        st.booleans(),
    ),
)
ANY_HISTORY = st.lists(ANY_MESSAGE, max_size=12)


def request(messages: list[Message]) -> ModelRequest:
    tools = ({"name": "echo", "description": "", "parameters": {"type": "object"}},)
    return ModelRequest(model_name=MODEL, system_prompt="sys", tools=tools, messages=messages)


def conversation(to_request: ToRequest, messages: list[Message]) -> list[Any]:
    body = to_request(request(messages), MODEL)
    found: list[Any] = json.loads(json.dumps(body.get("messages") or body.get("contents") or []))
    for message in found:
        for block in message["content"] if isinstance(message.get("content"), list) else []:
            block.pop("cache_control", None)
    return found


@pytest.mark.parametrize(
    "to_request",
    [anthropic_wire.to_request, gemini_wire.to_request, openai_wire.to_request],
    ids=["anthropic", "gemini", "openai"],
)
@settings(max_examples=60, deadline=None)
@given(history=histories())
def test_each_request_is_the_last_one_plus_what_is_new(
    to_request: ToRequest, history: tuple[list[Message], list[int]]
) -> None:
    messages, asks = history
    sent = [conversation(to_request, messages[:length]) for length in asks]

    for earlier, later in pairwise(sent):
        assert later[: len(earlier)] == earlier


@settings(max_examples=150, deadline=None)
@given(messages=ANY_HISTORY)
def test_claude_gets_results_directly_after_their_calls(messages: list[Message]) -> None:
    sent = conversation(anthropic_wire.to_request, messages)

    assert not sent or sent[0]["role"] == "user"
    for message, following in zip(sent, [*sent[1:], None], strict=False):
        assert message["content"]
        assert all(b["text"].strip() for b in message["content"] if b["type"] == "text")
        assert message["content"][-1]["type"] != "thinking"
        calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        answered = [
            block["tool_use_id"]
            for block in (following or {"content": []})["content"]
            if block["type"] == "tool_result"
        ]
        if message["role"] == "assistant":
            assert answered == calls
        else:
            assert answered == []


@settings(max_examples=150, deadline=None)
@given(messages=ANY_HISTORY)
def test_gemini_gets_as_many_responses_as_calls(messages: list[Message]) -> None:
    sent = conversation(gemini_wire.to_request, messages)

    for content, following in zip(sent, [*sent[1:], {"parts": []}], strict=False):
        assert content["parts"]
        calls = [p["functionCall"]["name"] for p in content["parts"] if "functionCall" in p]
        responses = [
            p["functionResponse"]["name"] for p in following["parts"] if "functionResponse" in p
        ]
        if content["role"] == "model":
            assert responses == calls
        else:
            assert responses == []


@settings(max_examples=150, deadline=None)
@given(messages=ANY_HISTORY)
def test_openai_gets_results_directly_after_their_calls(messages: list[Message]) -> None:
    sent = conversation(openai_wire.to_request, messages)

    waiting: list[str] = []
    for message in sent:
        if message["role"] == "tool":
            assert waiting.pop(0) == message["tool_call_id"]
            continue
        assert waiting == []
        assert message.get("content") or message.get("tool_calls")
        for call in message.get("tool_calls") or []:
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            waiting.append(call["id"])
    assert waiting == []
