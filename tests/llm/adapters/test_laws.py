"""What holds for every history: the providers' pairing rules, and that requests only grow."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messagedb_agent.events.agent import LLMCallRequested, ToolCall
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import ThreadForked
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.llm.adapters import anthropic_wire, gemini_wire, openai_wire
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.llm_context import LLM_CONTEXT
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)
from messagedb_agent.testing.histories import CONFIGURATION
from messagedb_agent.testing.histories import histories as streams

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


def claude_gets_results_directly_after_their_calls(sent: list[Any]) -> None:
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


def gemini_gets_as_many_responses_as_calls(sent: list[Any]) -> None:
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


def openai_gets_results_directly_after_their_calls(sent: list[Any]) -> None:
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


PROTOCOLS: dict[str, tuple[ToRequest, Callable[[list[Any]], None]]] = {
    "anthropic": (anthropic_wire.to_request, claude_gets_results_directly_after_their_calls),
    "gemini": (gemini_wire.to_request, gemini_gets_as_many_responses_as_calls),
    "openai": (openai_wire.to_request, openai_gets_results_directly_after_their_calls),
}
EACH_PROTOCOL = pytest.mark.parametrize(
    ("to_request", "keeps_the_rules"), PROTOCOLS.values(), ids=PROTOCOLS
)


@EACH_PROTOCOL
@settings(max_examples=150, deadline=None)
@given(messages=ANY_HISTORY)
def test_the_pairing_rules_hold_for_any_messages(
    to_request: ToRequest, keeps_the_rules: Callable[[list[Any]], None], messages: list[Message]
) -> None:
    keeps_the_rules(conversation(to_request, messages))


@pytest.mark.parametrize("to_request", [to_request for to_request, _ in PROTOCOLS.values()])
@settings(max_examples=60, deadline=None)
@given(history=histories())
def test_each_request_is_the_last_one_plus_what_is_new(
    to_request: ToRequest, history: tuple[list[Message], list[int]]
) -> None:
    messages, asks = history
    sent = [conversation(to_request, messages[:length]) for length in asks]

    for earlier, later in pairwise(sent):
        assert later[: len(earlier)] == earlier


def asked(events: list[Event]) -> list[tuple[str, list[Message]]]:
    """What each model call of a history was given, and under which configuration."""
    context, found = LLM_CONTEXT.initial, []
    for event in events:
        context = LLM_CONTEXT.apply(context, event)
        if isinstance(event, LLMCallRequested) and context.configuration:
            found.append((context.configuration.sha256, list(context.messages)))
    return found


@st.composite
def forks(draw: st.DrawFn) -> list[Event]:
    """A history that goes on from some position of another one, which may be anywhere."""
    events = draw(streams())
    position = draw(st.integers(0, len(events) - 1))
    fork = ThreadForked(origin_stream_name="agent:v0-t", origin_position=position)
    said = UserMessageAdded(message="and then?")
    return [*events[: position + 1], fork, CONFIGURATION, said, LLMCallRequested(model_name="m")]


@EACH_PROTOCOL
@settings(max_examples=80, deadline=None)
@given(events=st.one_of(streams(), forks()))
def test_the_rules_hold_for_every_stream_that_the_engine_can_produce(
    to_request: ToRequest, keeps_the_rules: Callable[[list[Any]], None], events: list[Event]
) -> None:
    requests = [(sha256, conversation(to_request, said)) for sha256, said in asked(events)]

    for _, sent in requests:
        keeps_the_rules(sent)
    if not any(isinstance(event, ThreadForked) for event in events):
        for (before, earlier), (after, later) in pairwise(requests):
            assert before != after or later[: len(earlier)] == earlier
