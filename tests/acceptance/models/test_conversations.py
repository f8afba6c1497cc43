"""Whole conversations with each provider: what is sent, what is kept, what is sent back."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer, Received
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import (
    ANTHROPIC,
    CLAUDE_VERTEX,
    EACH,
    GEMINI,
    OPENAI,
    Dialect,
)

PARALLEL = Reply(
    thinking="Two sums.",
    signature="c2ln",
    text="Let me see.",
    calls=(
        ReplyCall("calculate", '{"expression": "6 * 7"}', "toolu_A", "c2lnQQ=="),
        ReplyCall("calculate", '{"expression": "1 / 0"}', "toolu_B"),
    ),
)
CONVERSATION = (
    PARALLEL,
    Reply(text="It is 42; the other has no answer.", cached_tokens=10, written_tokens=5),
    Reply(calls=(ReplyCall("get_current_time", "{}", "toolu_C"),)),
    Reply(text="Late."),
)


def converse(cli: Cli, provider: ProviderServer, dialect: Dialect) -> list[Any]:
    """Two turns, each a process of its own; gives the bodies of the requests."""
    provider.script(*CONVERSATION)
    first = cli.ask("start", "6 * 7 and 1 / 0?", "--thread-id", "t", "--model", dialect.model)
    second = cli.ask("message", "t", "What time is it?")
    assert (first["response"], second["response"]) == (CONVERSATION[1].text, "Late.")
    return [request.body for request in provider.requests]


@EACH
def test_what_is_sent_grows_and_has_all_that_the_model_said(
    cli: Cli, provider: ProviderServer, dialect: Dialect
) -> None:
    bodies = converse(cli, provider, dialect)

    assert len(bodies) == 4
    for earlier, later in pairwise(bodies):
        sent = dialect.messages(earlier)
        assert dialect.messages(later)[: len(sent)] == sent
    data = [(event["type"], event["data"]) for event in cli.events("t")]
    (configured,) = (each for kind, each in data if kind == "AgentConfigured")
    assert {dialect.system(body) for body in bodies} == {configured["system_prompt"]}
    declared = [tool["name"] for tool in configured["tools"]]
    assert all(dialect.tools(body) == declared for body in bodies)
    answers = [each for kind, each in data if kind == "LLMResponseReceived"]
    stops = [answer["stop_reason"] for answer in answers]
    assert stops == ["tool_use", "end_turn", "tool_use", "end_turn"]
    assert all(answer["details"]["stop_reason"] for answer in answers)
    SENT_BACK[dialect.model](provider.requests, answers)


def claude_gets_its_blocks_back(requests: list[Received], _answers: list[Any]) -> None:
    question, answer, results = CLAUDE_VERTEX.messages(requests[1].body)
    assert question["content"] == [{"type": "text", "text": "6 * 7 and 1 / 0?"}]
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}
        for call in PARALLEL.calls
    ]
    assert answer["content"] == [
        {"type": "thinking", "thinking": "Two sums.", "signature": "c2ln"},
        {"type": "text", "text": "Let me see."},
        *calls,
    ]
    first, second = results["content"]
    assert first == {"type": "tool_result", "tool_use_id": "toolu_A", "content": "42"}
    assert (second["tool_use_id"], second["is_error"]) == ("toolu_B", True)
    assert "zero" in second["content"]
    assert requests[0].body["stream"] is True


def claude_on_vertex_is_asked_as_a_service_account(
    requests: list[Received], answers: list[Any]
) -> None:
    claude_gets_its_blocks_back(requests, answers)
    assert requests[0].path == (
        "/v1/projects/p1/locations/global/publishers/anthropic/models/"
        "claude-sonnet-4-5@20250929:streamRawPredict"
    )
    assert requests[0].headers["authorization"] == "Bearer test-token"


def claude_finds_its_history_in_the_cache(requests: list[Received], answers: list[Any]) -> None:
    claude_gets_its_blocks_back(requests, answers)
    before, last = (request.body for request in requests[-2:])
    assert last["tools"][-1]["cache_control"] == last["system"][-1]["cache_control"]
    marked = [
        index
        for index, message in enumerate(last["messages"])
        if any("cache_control" in block for block in message["content"])
    ]
    assert marked == [len(body["messages"]) - 1 for body in (before, last)]
    assert answers[1]["token_usage"] == {
        "input_tokens": 27,
        "output_tokens": 7,
        "total_tokens": 34,
        "cache_read_tokens": 10,
        "cache_write_tokens": 5,
    }


def gemini_gets_signatures_and_a_response_for_each_call(
    requests: list[Received], _answers: list[Any]
) -> None:
    _, answer, results = requests[1].body["contents"]
    calls = [part for part in answer["parts"] if "functionCall" in part]
    assert [part["functionCall"]["id"] for part in calls] == ["toolu_A", "toolu_B"]
    assert [part.get("thoughtSignature") for part in calls] == ["c2lnQQ==", None]
    responses = [part["functionResponse"] for part in results["parts"]]
    assert responses[0] == {"id": "toolu_A", "name": "calculate", "response": {"output": 42}}
    assert "zero" in responses[1]["response"]["error"]
    assert requests[0].headers["authorization"] == "Bearer test-token"


def openai_gets_the_text_of_arguments_as_it_was(
    requests: list[Received], _answers: list[Any]
) -> None:
    _, _, answer, first, second = requests[1].body["messages"]
    sent = [call["function"]["arguments"] for call in answer["tool_calls"]]
    assert sent == [call.arguments for call in PARALLEL.calls]
    assert first == {"role": "tool", "tool_call_id": "toolu_A", "content": "42"}
    assert second["content"].startswith("Error: ")


SENT_BACK: dict[str, Callable[[list[Received], list[Any]], None]] = {
    CLAUDE_VERTEX.model: claude_on_vertex_is_asked_as_a_service_account,
    ANTHROPIC.model: claude_finds_its_history_in_the_cache,
    GEMINI.model: gemini_gets_signatures_and_a_response_for_each_call,
    OPENAI.model: openai_gets_the_text_of_arguments_as_it_was,
}


def test_a_thread_can_go_from_provider_to_provider(cli: Cli, provider: ProviderServer) -> None:
    provider.script(PARALLEL, Reply(text="one"), Reply(text="two"), Reply(text="three"))
    cli.ask("start", "go", "--thread-id", "t", "--model", CLAUDE_VERTEX.model)

    assert cli.ask("message", "t", "and?", "--model", GEMINI.model)["response"] == "two"
    assert cli.ask("message", "t", "then?", "--model", OPENAI.model)["response"] == "three"

    to_gemini, to_openai = (request.body for request in provider.requests[2:])
    told = "".join(part.get("text", "") for c in to_gemini["contents"] for part in c["parts"])
    assert "calculate" in told
    assert "42" in told
    assert "Two sums." not in told
    roles = [message["role"] for message in to_openai["messages"]]
    assert roles == [
        *("system", "user", "assistant", "tool", "tool", "assistant"),
        *("user", "assistant", "user"),
    ]
    models = [e["data"]["model_name"] for e in cli.events("t") if e["type"] == "AgentConfigured"]
    assert models == [CLAUDE_VERTEX.model, GEMINI.model, OPENAI.model]


def test_back_at_its_first_model_a_thread_has_its_calls_and_not_its_thoughts(
    cli: Cli, provider: ProviderServer
) -> None:
    elsewhere = Reply(calls=(ReplyCall("calculate", '{"expression": "1 + 1"}', "fc/1:a"),))
    answers = (Reply(text=text) for text in ("one", "two", "three"))
    provider.script(PARALLEL, next(answers), elsewhere, *answers)
    cli.ask("start", "go", "--thread-id", "t", "--model", CLAUDE_VERTEX.model)
    cli.ask("message", "t", "and?", "--model", GEMINI.model)

    told = cli.ask("message", "t", "then?", "--model", CLAUDE_VERTEX.model)

    assert told["response"] == "three"
    messages = CLAUDE_VERTEX.messages(provider.requests[-1].body)
    kinds = [[block["type"] for block in message["content"]] for message in messages]
    assert kinds == [
        ["text"],
        ["text", "tool_use", "tool_use"],
        ["tool_result", "tool_result"],
        ["text"],
        ["text"],
        ["tool_use"],
        ["tool_result"],
        ["text"],
        ["text"],
    ]
    assert messages[5]["content"][0]["id"] == messages[6]["content"][0]["tool_use_id"] == "fc_1_a"


def test_on_a_terminal_the_answer_appears_while_it_is_generated(
    cli: Cli, provider: ProviderServer
) -> None:
    provider.script(Reply(text="early late", thinking="hmm", after=4, silence=2.0))
    leader, follower = pty.openpty()
    started = cli.start("start", "go", "--model", OPENAI.model, "--show-thinking", stdout=follower)

    shown = b""
    while b"early" not in shown:
        assert select.select([leader], [], [], 30)[0], "nothing came"
        shown += os.read(leader, 1000)

    assert started.poll() is None
    _, err = started.communicate(timeout=30)
    assert started.returncode == 0
    assert b"late" in os.read(leader, 1000)
    assert b"hmm" in err
    os.close(leader)
    os.close(follower)


def test_on_a_terminal_a_broken_stream_is_told_before_the_answer_comes_anew(
    cli: Cli, provider: ProviderServer
) -> None:
    provider.script(Reply(text="it is 42", fault="cut", after=2), Reply(text="it is 42"))
    leader, follower = pty.openpty()
    command = ["start", "go", "--thread-id", "t", "--model", OPENAI.model]
    # Both on one terminal, so that their order shows.
    started = cli.start(*command, stdout=follower, stderr=follower)
    os.close(follower)

    shown = b""
    with contextlib.suppress(OSError):  # which is how a terminal without programs ends
        while piece := os.read(leader, 1000):
            shown += piece

    assert started.wait(30) == 0
    # What a spinner wrote is wiped before the text begins.
    lines = [line.strip().rpartition("\x1b[K")[2] for line in shown.decode().splitlines()]
    broken, told, answer = lines[-3:]
    assert (broken, answer) == ("it i", "it is 42")
    assert "the model call failed, trying again" in told
    answers = [e["data"] for e in cli.events("t") if e["type"] == "LLMResponseReceived"]
    assert [answer["response_text"] for answer in answers] == ["it is 42"]
    os.close(leader)


def test_service_accounts_get_their_token_from_their_own_address(
    cli: Cli, provider: ProviderServer
) -> None:
    given = provider.tokens_given
    provider.refuses_tokens = True

    refused = cli("start", "hi", "--thread-id", "t", "--model", GEMINI.model)

    assert (refused.code, provider.tokens_given) == (1, given)
    assert "gcloud auth application-default login" in refused.err.splitlines()[-1]
    provider.refuses_tokens = False
    provider.script(Reply(text="hello"))
    assert cli.ask("continue", "t")["response"] == "hello"
    assert provider.tokens_given == given + 1


def test_missing_credentials_are_one_line_with_what_to_do(
    cli: Cli, provider: ProviderServer
) -> None:
    del cli.environment["GOOGLE_APPLICATION_CREDENTIALS"]
    del cli.environment["ANTHROPIC_API_KEY"]
    for dialect, says in ((GEMINI, "gcloud auth"), (ANTHROPIC, "ANTHROPIC_API_KEY")):
        ended = cli.cold("start", "hi", "--model", dialect.model)

        told = [line for line in ended.err.splitlines() if not line.startswith("thread ")]
        assert (ended.code, len(told)) == (1, 1)
        assert says in told[0]


def test_credentials_that_can_not_be_read_are_named(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text("{")
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}

    ended = cli("start", "hi", "--model", CLAUDE_VERTEX.model, env=environ)

    assert ended.code == 1
    assert f"File {file} is not a valid json file.; run `gcloud auth" in ended.err.splitlines()[-1]
