from __future__ import annotations

import gc
import json
import sys
from types import ModuleType
from typing import Any

import pytest

from messagedb_agent.errors import ModelCallError, ModelUnavailableError
from messagedb_agent.llm import LLM, ModelSettings, create_llm_client
from messagedb_agent.llm.adapters.openai_client import connect
from messagedb_agent.llm.adapters.openai_wire import to_request
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.messages import AssistantMessage, Message, UserMessage
from messagedb_agent.testing.llm_examples import TOOLS, TWO_CALLS, remember, results_for
from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer

ASKED = UserMessage("6*7?")


def request(*messages: Message, **parameters: Any) -> ModelRequest:
    return ModelRequest(
        model_name="openai:m",
        system_prompt="sys",
        tools=TOOLS,
        messages=messages,
        parameters=parameters,
    )


def openai(server: ProviderServer, **variables: str) -> LLM:
    return create_llm_client("openai:m", ModelSettings(environ=server.environment() | variables))


def frames(*chunks: dict[str, Any]) -> tuple[bytes, ...]:
    lines = [f"data: {json.dumps({'id': 'c', 'created': 1, **chunk})}\n\n" for chunk in chunks]
    return tuple(line.encode() for line in [*lines, "data: [DONE]\n\n"])


def test_the_round_is_the_one_servers_take(server: ProviderServer) -> None:
    client = openai(server, OPENAI_API_KEY="")
    server.script(Reply(thinking="hm", text="so", calls=TWO_CALLS), Reply(text="42"))

    answer = remember(client.complete(request(ASKED)))
    client.complete(request(ASKED, answer, *results_for(answer, {"v": 42}, ValueError("broke"))))

    first, second = server.requests
    assert first.path == "/v1/chat/completions"
    assert first.body["stream_options"] == {"include_usage": True}
    assert first.body["tools"][0]["function"]["parameters"] == TOOLS[0]["parameters"]
    system, user, assistant, *results = second.body["messages"]
    assert (system, user) == (
        {"role": "system", "content": "sys"},
        {"role": "user", "content": "6*7?"},
    )
    assert assistant["reasoning_content"] == "hm"
    assert assistant["tool_calls"][1] == {
        "id": "t2",
        "type": "function",
        "function": {"name": "echo", "arguments": TWO_CALLS[1].arguments},
    }
    assert results == [
        {"role": "tool", "tool_call_id": "t1", "content": '{"v": 42}'},
        {"role": "tool", "tool_call_id": "t2", "content": "Error: broke"},
    ]


def test_ids_that_repeat_are_replaced(server: ProviderServer) -> None:
    client = openai(server)
    same = (ReplyCall("echo", "{}", "0"), ReplyCall("echo", "{}", "0"))
    server.script(Reply(calls=same), Reply(calls=same))

    first = remember(client.complete(request(ASKED)))
    second = client.complete(request(ASKED, first, *results_for(first, 1, 2)))

    ids = [call.id for call in (*first.tool_calls, *second.tool_calls)]
    assert len(set(ids)) == 4
    assert ids[0] == "0"


def test_calls_that_all_have_index_zero_are_told_apart(server: ProviderServer) -> None:
    calls = [
        {"index": 0, "id": f"c{n}", "function": {"name": "echo", "arguments": f'{{"n": {n}}}'}}
        for n in range(2)
    ]
    chunks = [{"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]} for call in calls]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    server.script(Reply(frames=frames(*chunks, end)))

    completion = openai(server).complete(request(ASKED))

    assert [(c.id, c.arguments) for c in completion.tool_calls] == [
        ("c0", {"n": 0}),
        ("c1", {"n": 1}),
    ]
    assert completion.stop_reason == "tool_use"


def test_broken_arguments_are_kept_as_text_and_sent_back_as_json(server: ProviderServer) -> None:
    client = openai(server)
    server.script(Reply(calls=(ReplyCall("echo", '{"a": ', "c"),)), Reply(text="sorry"))

    answer = remember(client.complete(request(ASKED)))
    client.complete(request(ASKED, answer, *results_for(answer, ValueError("no JSON"))))

    assert answer.tool_calls[0].arguments == '{"a": '
    sent = server.requests[1].body["messages"][2]["tool_calls"][0]["function"]["arguments"]
    assert json.loads(sent) == {"malformed_arguments": '{"a": '}


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "safety")],
)
def test_stop_reasons_are_told_in_one_vocabulary(
    server: ProviderServer, raw: str, neutral: str
) -> None:
    server.script(Reply(text="a", stop=raw))

    assert openai(server).complete(request(ASKED)).stop_reason == neutral


def test_a_refusal_is_told_as_one(server: ProviderServer) -> None:
    choice = {"index": 0, "delta": {"refusal": "I won't"}, "finish_reason": "stop"}
    server.script(Reply(frames=frames({"choices": [choice]})))

    completion = openai(server).complete(request(ASKED))

    assert (completion.text, completion.stop_reason) == ("I won't", "refusal")


def test_an_error_frame_is_a_failure_of_its_kind(server: ProviderServer) -> None:
    body = {"error": {"message": "busy", "type": "server_error", "code": "rate_limit_exceeded"}}
    server.script(Reply(text="half", fault="error", after=2, body=body))

    with pytest.raises(ModelCallError, match="busy") as failure:
        openai(server).complete(request(ASKED))

    assert failure.value.retryable


def test_a_quota_that_is_used_up_is_not_retried(server: ProviderServer) -> None:
    body = {"error": {"message": "pay", "type": "insufficient_quota", "code": "insufficient_quota"}}
    server.script(Reply(status=429, body=body))

    with pytest.raises(ModelCallError, match="pay") as failure:
        openai(server).complete(request(ASKED))

    assert not failure.value.retryable


def test_parameters_are_named_as_the_server_knows_them() -> None:
    asked = request(ASKED, max_output_tokens=9, temperature=0, thinking={"effort": "LOW"})

    local, own = to_request(asked, "m"), to_request(asked, "m", is_openai=True)

    assert (local["max_tokens"], local["temperature"], local["reasoning_effort"]) == (9, 0, "low")
    assert own["max_completion_tokens"] == 9
    assert "max_tokens" not in own


def test_attachments_become_content_parts() -> None:
    image = {"type": "image", "media_type": "image/png", "data": "aGk="}

    messages = to_request(request(UserMessage("look", (image,))), "m")["messages"]

    assert messages[1]["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "text", "text": "look"},
    ]


def test_an_empty_answer_is_not_sent_back() -> None:
    messages = to_request(request(ASKED, AssistantMessage(""), ASKED), "m")["messages"]

    assert [message["role"] for message in messages] == ["system", "user", "user"]


@pytest.mark.parametrize("name", ["openai:gpt", "anthropic:claude"])
def test_a_missing_key_is_told_before_anything_is_done(name: str) -> None:
    with pytest.raises(ModelUnavailableError, match="API_KEY"):
        create_llm_client(name, ModelSettings(environ={}))


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    settings = ModelSettings(environ={"OPENAI_BASE_URL": "http://me:secret@127.0.0.1:9/v1"})

    with pytest.raises(ModelCallError, match=r"127\.0\.0\.1:9") as failure:
        create_llm_client("openai:m", settings).complete(request(ASKED))

    assert (failure.value.error_type, failure.value.retryable) == ("connection", True)
    assert "secret" not in str(failure.value)


@pytest.mark.parametrize("arguments", ["", '{"text": "a'])
def test_a_call_that_was_cut_short_does_not_run_without_its_arguments(
    server: ProviderServer, arguments: str
) -> None:
    server.script(Reply(calls=(ReplyCall("echo", arguments, "c"),), stop="length"))

    completion = openai(server).complete(request(ASKED))

    assert completion.stop_reason == "max_tokens"
    assert completion.tool_calls[0].arguments == arguments


def test_nothing_is_left_of_a_stream_that_was_left(
    server: ProviderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.script(Reply(text="so"))
    connection: Any = connect(ModelSettings(environ=server.environment()))
    stream = connection.stream({"model": "m", "messages": [{"role": "user", "content": "so?"}]})
    next(stream)
    stream.close()

    # What the collector met later would look there, at a module that another thread imports.
    monkeypatch.setitem(sys.modules, "httpx", ModuleType("httpx"))
    gc.collect()
