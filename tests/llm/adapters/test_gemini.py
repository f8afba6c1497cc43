from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm import LLM, ModelSettings, Usage, create_llm_client
from messagedb_agent.llm.adapters.gemini_wire import to_request
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)
from messagedb_agent.testing.llm_examples import TOOLS, remember, results_for
from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer

MODEL = "gemini-3.8-flash"
ASKED = UserMessage("6*7?")
SIGNED = ReplyCall("calculate", '{"text": "6*7"}', "fc_1", "c2ln+/8=")


def request(*messages: Message, **parameters: Any) -> ModelRequest:
    return ModelRequest(
        model_name=MODEL, system_prompt="sys", tools=TOOLS, messages=messages, parameters=parameters
    )


def gemini(server: ProviderServer) -> LLM:
    return create_llm_client(MODEL, ModelSettings(environ=server.environment()))


def test_the_request_is_the_one_vertex_takes(server: ProviderServer) -> None:
    server.script(Reply(text="42"))

    gemini(server).complete(request(ASKED, temperature=0.5, max_output_tokens=9))

    (got,) = server.requests
    assert got.path.startswith("/v1beta1/projects/p1/locations/global/publishers/google/models/")
    assert got.path.endswith(f"{MODEL}:streamGenerateContent?alt=sse")
    assert got.headers["authorization"] == "Bearer test-token"
    assert got.headers["x-server-timeout"] == "1800"
    assert got.body["systemInstruction"]["parts"] == [{"text": "sys"}]
    assert got.body["generationConfig"] == {"temperature": 0.5, "maxOutputTokens": 9}
    (declared,) = got.body["tools"]
    assert [f["name"] for f in declared["functionDeclarations"]] == ["calculate", "echo"]
    assert declared["functionDeclarations"][0]["parameters_json_schema"] == TOOLS[0]["parameters"]


def test_parts_and_signatures_go_back_untouched(server: ProviderServer) -> None:
    client = gemini(server)
    unsigned = ReplyCall("echo", '{"text": "a"}')
    server.script(
        Reply(thinking="hm", text="so", calls=(SIGNED, unsigned), signature="bGFzdA=="),
        Reply(text="42"),
    )

    completion = client.complete(request(ASKED))
    answer = remember(completion)
    client.complete(request(ASKED, answer, *results_for(answer, 42, ValueError("broke"))))

    assert completion.content == (
        {"text": "hm", "thought": True},
        {"text": "so"},
        {
            "functionCall": {"name": "calculate", "args": {"text": "6*7"}, "id": "fc_1"},
            "thoughtSignature": "c2ln+/8=",
        },
        {"functionCall": {"name": "echo", "args": {"text": "a"}}},
        {"text": "", "thoughtSignature": "bGFzdA=="},
    )
    assert completion.tool_calls[0].id == "fc_1"
    assert completion.tool_calls[1].id == "call_1_1"
    _, model, results = server.requests[1].body["contents"]
    signatures = [part.get("thoughtSignature") for part in model["parts"]]
    # The SDK writes the same bytes in the URL-safe alphabet, which the service takes too.
    assert signatures == [None, None, "c2ln-_8=", None, "bGFzdA=="]
    assert [part.get("text") for part in model["parts"]] == ["hm", "so", None, None, ""]
    assert results["parts"] == [
        {"functionResponse": {"id": "fc_1", "name": "calculate", "response": {"output": 42}}},
        {"functionResponse": {"name": "echo", "response": {"error": "broke"}}},
    ]


def test_calls_of_another_protocol_are_told_and_not_called(server: ProviderServer) -> None:
    foreign = AssistantMessage("words", (ToolCall("toolu_1", "echo", {"text": "a"}),), (), None)

    contents = to_request(request(ASKED, foreign, ToolResult("toolu_1", "echo", "b")), MODEL)

    assert contents["contents"][1:] == [
        {"role": "model", "parts": [{"text": "words"}]},
        {
            "role": "user",
            "parts": [{"text": 'The tool echo was called with {"text": "a"}. It returned: b'}],
        },
    ]


@pytest.mark.parametrize(
    ("raw", "neutral"),
    [("STOP", "end_turn"), ("MAX_TOKENS", "max_tokens"), ("SAFETY", "safety"), ("SPII", "safety")],
)
def test_stop_reasons_are_told_in_one_vocabulary(
    server: ProviderServer, raw: str, neutral: str
) -> None:
    server.script(Reply(text="a", stop=raw))

    assert gemini(server).complete(request(ASKED)).stop_reason == neutral


@pytest.mark.parametrize(
    ("raw", "error_type", "retryable"),
    [
        ("MALFORMED_FUNCTION_CALL", "malformed", True),
        ("MISSING_THOUGHT_SIGNATURE", "invalid_request", False),
        ("OTHER", "server_error", True),
    ],
)
def test_reasons_that_leave_nothing_to_go_on_with_are_failures(
    server: ProviderServer, raw: str, error_type: str, *, retryable: bool
) -> None:
    server.script(Reply(stop=raw))

    with pytest.raises(ModelCallError, match=raw) as failure:
        gemini(server).complete(request(ASKED))

    assert (failure.value.error_type, failure.value.retryable) == (error_type, retryable)


def test_a_blocked_prompt_is_an_answer_that_says_nothing(server: ProviderServer) -> None:
    server.script(
        Reply(frames=(b'data: {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}\n\n',))
    )

    completion = gemini(server).complete(request(ASKED))

    assert (completion.text, completion.stop_reason) == ("", "safety")
    after = AssistantMessage("", (), completion.content, "gemini", MODEL)
    assert len(to_request(request(ASKED, after, ASKED), MODEL)["contents"]) == 2


def test_usage_counts_thoughts_as_output(server: ProviderServer) -> None:
    server.script(Reply(text="a", cached_tokens=5))

    assert gemini(server).complete(request(ASKED)).usage == Usage(
        input_tokens=12, output_tokens=9, total_tokens=21, cache_read_tokens=5
    )


def test_an_error_frame_is_a_failure_of_its_kind(server: ProviderServer) -> None:
    body = {"error": {"code": 503, "message": "later", "status": "UNAVAILABLE"}}
    server.script(Reply(text="half", fault="error", after=1, body=body))

    with pytest.raises(ModelCallError, match="later") as failure:
        gemini(server).complete(request(ASKED))

    assert (failure.value.error_type, failure.value.retryable) == ("overloaded", True)


def test_thinking_is_asked_for_in_the_protocols_words() -> None:
    budget = to_request(request(ASKED, thinking={"budget": 100}), MODEL)["config"]
    effort = to_request(request(ASKED, thinking={"effort": "low"}), MODEL)["config"]

    assert budget["thinking_config"] == {"include_thoughts": True, "thinking_budget": 100}
    assert effort["thinking_config"] == {"include_thoughts": True, "thinking_level": "LOW"}
