"""The test double speaks what the SDKs' own types say, not only what they tolerate."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from messagedb_agent.testing.provider_frames import (
    Reply,
    ReplyCall,
    anthropic_frames,
    gemini_frames,
    openai_frames,
)

REPLIES = [
    Reply(text="hello"),
    Reply(
        thinking="hm",
        signature="c2ln",
        text="so",
        calls=(ReplyCall("echo", '{"a": 1}', "t1", "c2ln"), ReplyCall("echo", "{}", "t2")),
        cached_tokens=3,
    ),
]


def data(frames: Iterable[bytes]) -> list[Any]:
    lines = [line for frame in frames for line in frame.decode().splitlines()]
    texts = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return [json.loads(text) for text in texts if text != "[DONE]"]


@pytest.mark.parametrize("reply", REPLIES)
def test_anthropic_frames_are_events_of_the_sdk(reply: Reply) -> None:
    from anthropic.types import RawMessageStreamEvent
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
    events = [event for event in data(anthropic_frames(reply)) if event["type"] != "ping"]

    for event in events:
        adapter.validate_python(event)
    assert events[-1] == {"type": "message_stop"}


@pytest.mark.parametrize("reply", REPLIES)
def test_gemini_frames_are_responses_of_the_sdk(reply: Reply) -> None:
    from google.genai.types import GenerateContentResponse

    events = [GenerateContentResponse.model_validate(event) for event in data(gemini_frames(reply))]

    assert events[-1].candidates
    assert events[-1].candidates[0].finish_reason == "STOP"


@pytest.mark.parametrize("reply", REPLIES)
def test_openai_frames_are_chunks_of_the_sdk(reply: Reply) -> None:
    from openai.types.chat import ChatCompletionChunk

    events = [ChatCompletionChunk.model_validate(event) for event in data(openai_frames(reply))]

    assert events[-1].usage
    assert events[-1].usage.prompt_tokens == 12
