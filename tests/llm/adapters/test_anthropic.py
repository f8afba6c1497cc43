from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.errors import ModelCallError, ModelUnavailableError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm import LLM, Completion, ModelSettings, Usage, create_llm_client
from messagedb_agent.llm.adapters.anthropic_wire import to_request
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)
from messagedb_agent.testing.llm_examples import TOOLS, TWO_CALLS, remember, results_for
from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer

MODEL = "claude-sonnet-5-5"
ASKED = UserMessage("6*7?")


def request(*messages: Message, **parameters: Any) -> ModelRequest:
    return ModelRequest(
        model_name=MODEL, system_prompt="sys", tools=TOOLS, messages=messages, parameters=parameters
    )


def vertex(server: ProviderServer, **variables: str) -> LLM:
    return create_llm_client(MODEL, ModelSettings(environ=server.environment() | variables))


def test_the_request_is_the_one_vertex_takes(server: ProviderServer) -> None:
    server.script(Reply(text="42"))

    vertex(server, ANTHROPIC_VERTEX_PROJECT_ID="p9", CLOUD_ML_REGION="eu").complete(request(ASKED))

    (got,) = server.requests
    assert got.path == (
        "/v1/projects/p9/locations/eu/publishers/anthropic/models/claude-sonnet-5-5:streamRawPredict"
    )
    assert got.headers["authorization"] == "Bearer test-token"
    assert "traceparent" not in got.headers
    assert got.body["anthropic_version"] == "2026-10-21"
    assert got.body["stream"] is True
    assert "temperature" not in got.body


def test_the_project_comes_from_the_credentials_when_nothing_else_says_it(
    server: ProviderServer,
) -> None:
    server.script(Reply(text="42"))

    vertex(server).complete(request(ASKED))

    assert "/projects/p1/locations/global/" in server.requests[0].path


def test_blocks_come_back_in_order_and_go_back_untouched(server: ProviderServer) -> None:
    client = vertex(server)
    server.script(
        Reply(thinking="hm", signature="EqQB+/==", redacted="xyz", text="so", calls=TWO_CALLS),
        Reply(text="42"),
    )

    completion = client.complete(request(ASKED))
    answer = remember(completion)
    client.complete(request(ASKED, answer, *results_for(answer, {"v": 42}, ValueError("broke"))))

    assert [block["type"] for block in completion.content] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    _, assistant, results = server.requests[1].body["messages"]
    assert assistant["content"] == [dict(block) for block in completion.content]
    assert assistant["content"][0] == {
        "type": "thinking",
        "thinking": "hm",
        "signature": "EqQB+/==",
    }
    first, second = results["content"]
    assert (first["tool_use_id"], first["content"]) == ("t1", '{"v": 42}')
    assert "is_error" not in first
    assert (second["tool_use_id"], second["content"], second["is_error"]) == ("t2", "broke", True)


def marked(body: dict[str, Any]) -> list[str]:
    places = []
    for message in body["messages"]:
        places += [json.dumps(block) for block in message["content"] if "cache_control" in block]
    places += [tool["name"] for tool in body["tools"] if "cache_control" in tool]
    return places + [block["text"] for block in body["system"] if "cache_control" in block]


def test_cache_marks_cover_tools_prompt_and_the_growing_conversation() -> None:
    messages: list[Message] = []
    ends: list[str] = []
    for turn in range(5):
        messages.append(UserMessage(f"question {turn}"))
        places = marked(to_request(request(*messages), MODEL))
        assert len(places) <= 4
        assert {"echo", "sys"} <= set(places)
        assert f"question {turn}" in places[-3]
        # The end of the last request is still marked, however many blocks came since.
        assert set(ends) <= set(places)
        ends = [place for place in places if f"question {turn}" in place]
        messages.append(AssistantMessage("answer"))


@pytest.mark.parametrize("broken", ['{"expr": "6*7,"broken": tru', "[1]", '"text"', '{"a": NaN}'])
def test_broken_arguments_are_kept_as_text_and_never_repaired(
    server: ProviderServer, broken: str
) -> None:
    client = vertex(server)
    server.script(Reply(calls=(ReplyCall("echo", broken, "t1"),)), Reply(text="sorry"))

    completion = client.complete(request(ASKED))
    answer = remember(completion)
    client.complete(request(ASKED, answer, ToolResult("t1", "echo", "no JSON", is_error=True)))

    assert completion.tool_calls == (ToolCall("t1", "echo", broken),)
    sent = server.requests[1].body["messages"][1]["content"][0]
    assert sent["input"] == {"malformed_arguments": broken}


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [
        ("end_turn", "end_turn"),
        ("stop_sequence", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("pause_turn", "pause"),
        ("refusal", "refusal"),
        ("model_context_window_exceeded", "context_window"),
        ("something_new", "end_turn"),
    ],
)
def test_stop_reasons_are_told_in_one_vocabulary(
    server: ProviderServer, raw: str, neutral: str
) -> None:
    server.script(Reply(text="a", stop=raw))

    assert vertex(server).complete(request(ASKED)).stop_reason == neutral


def test_usage_is_cumulative_and_counts_the_cache(server: ProviderServer) -> None:
    server.script(Reply(text="a", cached_tokens=100, written_tokens=20))

    assert vertex(server).complete(request(ASKED)).usage == Usage(
        input_tokens=132,
        output_tokens=7,
        total_tokens=139,
        cache_read_tokens=100,
        cache_write_tokens=20,
    )


@pytest.mark.parametrize(
    ("kind", "error_type", "retryable"),
    [
        ("overloaded_error", "overloaded", True),
        ("api_error", "server_error", True),
        ("invalid_request_error", "invalid_request", False),
        ("surprising_error", "server_error", True),
    ],
)
def test_an_error_frame_is_judged_by_its_type(
    server: ProviderServer, kind: str, error_type: str, *, retryable: bool
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": "Oh"}}
    server.script(Reply(text="half", fault="error", after=3, body=body))

    with pytest.raises(ModelCallError, match="Oh") as failure:
        vertex(server).complete(request(ASKED))

    assert (failure.value.error_type, failure.value.retryable) == (error_type, retryable)


@pytest.mark.parametrize("fault", ["cut", "end"])
@pytest.mark.parametrize("after", [3, 5, 7])
def test_a_stream_that_breaks_in_a_tool_call_is_no_answer(
    server: ProviderServer, fault: Any, after: int
) -> None:
    server.script(Reply(calls=(ReplyCall("echo", '{"text": "abc"}'),), fault=fault, after=after))

    with pytest.raises(ModelCallError) as failure:
        vertex(server).complete(request(ASKED))

    assert failure.value.error_type == ("connection" if fault == "cut" else "truncated")
    assert failure.value.retryable


def test_thinking_of_another_model_and_blank_text_are_not_sent() -> None:
    content = (
        {"type": "thinking", "thinking": "a", "signature": "b"},
        {"type": "text", "text": ""},
        {"type": "text", "text": "words"},
        {"type": "thinking", "thinking": "cut", "signature": ""},
    )
    own = AssistantMessage("words", (), content, "anthropic", MODEL)
    other = AssistantMessage("words", (), content, "anthropic", "claude-opus-5-5")
    empty = AssistantMessage("", (), (content[0],), "anthropic", MODEL)

    messages = to_request(request(ASKED, own, ASKED, other, ASKED, empty, ASKED), MODEL)["messages"]

    assert [len(message["content"]) for message in messages] == [1, 2, 1, 1, 1, 1]
    assert [block["type"] for block in messages[1]["content"]] == ["thinking", "text"]


def test_parameters_go_where_the_protocol_has_them() -> None:
    thinking = to_request(request(ASKED, thinking={"budget": 2000}, max_output_tokens=99), MODEL)
    schema = {"type": "array", "items": {"type": "string"}}
    effort = to_request(request(ASKED, thinking={"effort": "high"}, response_schema=schema), MODEL)

    assert thinking["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    assert thinking["max_tokens"] == 99
    assert effort["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert effort["output_config"] == {
        "effort": "high",
        "format": {"type": "json_schema", "schema": schema},
    }


def test_attachments_become_blocks() -> None:
    message = UserMessage(
        "look",
        (
            {"type": "image", "media_type": "image/png", "data": "aGk="},
            {"type": "file", "media_type": "application/pdf", "data": "aGk=", "name": "a.pdf"},
        ),
    )

    content = to_request(request(message), MODEL)["messages"][0]["content"]

    assert [block["type"] for block in content] == ["image", "document", "text"]
    assert content[0]["source"] == {"type": "base64", "media_type": "image/png", "data": "aGk="}


def test_refused_credentials_tell_what_to_run(server: ProviderServer) -> None:
    server.refuses_tokens = True

    with pytest.raises(ModelCallError, match="gcloud auth application-default login") as failure:
        vertex(server).complete(request(ASKED))

    assert (failure.value.error_type, failure.value.retryable) == ("authentication", False)
    assert server.requests == []


@pytest.mark.parametrize("model", [MODEL, "gemini-2.5-pro"])
def test_missing_credentials_tell_what_to_run(model: str, tmp_path: Path) -> None:
    client = create_llm_client(model, ModelSettings(gcp_project="p", environ={}))

    with pytest.raises(ModelUnavailableError, match="gcloud auth application-default login") as no:
        client.complete(request(ASKED))

    assert "\n" not in str(no.value)


def test_a_direct_call_sends_the_key_and_no_project(server: ProviderServer) -> None:
    server.script(Reply(text="42"))
    client = create_llm_client("anthropic:claude-x", ModelSettings(environ=server.environment()))

    assert isinstance(client.complete(request(ASKED)), Completion)

    (got,) = server.requests
    assert got.path == "/v1/messages"
    assert "test-key" in (got.headers.get("authorization", "") + got.headers.get("x-api-key", ""))
    assert got.body["model"] == "claude-x"


@pytest.mark.parametrize("arguments", ["", '{"text": "a'])
def test_a_call_that_was_cut_short_does_not_run_without_its_arguments(
    server: ProviderServer, arguments: str
) -> None:
    server.script(Reply(calls=(ReplyCall("echo", arguments, "c"),), stop="max_tokens"))

    completion = vertex(server).complete(request(ASKED))

    assert completion.stop_reason == "max_tokens"
    assert completion.tool_calls[0].arguments == arguments
