"""What can be said about a model for one thread: parameters, prompt, budget, files, schema."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import ANTHROPIC, GEMINI, OPENAI, Dialect

PNG = b"\x89PNG\r\n\x1a\n" + b"not much of a picture"
PDF = b"%PDF-1.7 nor of a document"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def write(cli: Cli, name: str, content: bytes | str | Any) -> Path:
    file = cli.folder / name
    if not isinstance(content, bytes | str):
        content = json.dumps(content)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def configurations(cli: Cli, thread: str = "t") -> list[dict[str, Any]]:
    return [e["data"] for e in cli.events(thread) if e["type"] == "AgentConfigured"]


def test_parameters_and_prompt_are_kept_with_the_thread(cli: Cli, provider: ProviderServer) -> None:
    provider.script(*(Reply(text="ok") for _ in range(3)))
    write(cli, "default.txt", "Be brief.")
    env = {"SYSTEM_PROMPT_FILE": "default.txt"}
    given = ["--temperature", "0.5", "--max-output-tokens", "99", "--thinking", "low"]

    cli.ask("start", "a", "--thread-id", "t", "--model", OPENAI.model, *given, env=env)
    write(cli, "default.txt", "Be long.")
    cli.ask("message", "t", "b", env=env)
    cli.ask("message", "t", "c", "--thinking", "off", "--temperature", "1", env=env)

    first, second, third = (request.body for request in provider.requests)
    asked = {"temperature": 0.5, "max_tokens": 99, "reasoning_effort": "low"}
    assert asked.items() <= first.items()
    assert asked.items() <= second.items()
    assert OPENAI.system(second) == "Be brief."
    assert (third["temperature"], third["max_tokens"]) == (1, 99)
    assert "reasoning_effort" not in third
    recorded = [configuration["parameters"] for configuration in configurations(cli)]
    assert recorded == [
        {"temperature": 0.5, "max_output_tokens": 99, "thinking": {"effort": "low"}},
        {"temperature": 1, "max_output_tokens": 99},
    ]


def test_parameters_wait_with_their_message(cli: Cli) -> None:
    cli("start", "a", "--thread-id", "t", "--temperature", "0.5", "--no-wait")

    cli.ask("continue", "t")

    assert [found["parameters"] for found in configurations(cli)] == [{"temperature": 0.5}]


def test_another_temperature_does_not_cost_the_model_its_thoughts(
    cli: Cli, provider: ProviderServer
) -> None:
    call = ReplyCall("calculate", '{"expression": "6 * 7"}', "c1", "c2ln")
    provider.script(Reply(calls=(call,)), Reply(text="42"), Reply(text="ok"))
    cli.ask("start", "go", "--thread-id", "t", "--model", GEMINI.model)

    cli.ask("message", "t", "on", "--temperature", "0.1")

    before, after = (GEMINI.messages(request.body) for request in provider.requests[1:])
    assert after[: len(before)] == before
    assert "c2ln" in json.dumps(after)


@pytest.mark.parametrize("dialect", [ANTHROPIC, OPENAI], ids=lambda d: d.model)
def test_a_file_is_stored_once_and_sent_whenever_it_belongs_to_the_conversation(
    cli: Cli, provider: ProviderServer, dialect: Dialect
) -> None:
    provider.script(*(Reply(text="ok") for _ in range(2)))
    picture, paper = write(cli, "a.txt", PNG), write(cli, "b.pdf", PDF)

    first = ["start", "look", "--thread-id", "t", "--attach", str(picture)]
    cli.ask(*first, "--attach", str(paper), "--model", dialect.model)
    cli.ask("message", "t", "again", "--attach", str(picture))

    once, twice = (json.dumps(request.body) for request in provider.requests)
    picture64, paper64 = (base64.b64encode(content).decode() for content in (PNG, PDF))
    assert [once.count(picture64), once.count(paper64)] == [1, 1]
    assert [twice.count(picture64), twice.count(paper64)] == [2, 1]
    assert ["image/png" in once, "application/pdf" in once] == [True, True]
    before, after = (dialect.messages(request.body) for request in provider.requests)
    assert after[: len(before)] == before
    rows = cli.sql(
        "SELECT count(*), count(DISTINCT stream_name) FROM message_store.messages"
        " WHERE stream_name LIKE 'agent_blob:v0-%%'"
    )
    assert rows == [(2, 2)]
    shown = cli("show", "t").out
    assert f"a.txt: image/png, {len(PNG)} bytes" in shown
    assert picture64 not in shown + cli("show", "t", "--format", "json").out
    assert cli("context", "t").code == 0


def test_what_can_not_be_attached_is_refused_before_anything_is_written(cli: Cli) -> None:
    for content, says in (
        (b"just text", "neither png"),
        (b"", "neither png"),
        (PNG + bytes(6 * 1024 * 1024), "at most"),
        (None, "No such file"),
    ):
        file = cli.folder / "x.png"
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)

        ended = cli("start", "look", "--attach", str(file))

        assert (ended.code, ended.out) == (2, "")
        assert says in ended.err
    assert cli.sql("SELECT count(*) FROM message_store.messages") == [(0,)]


def test_a_file_can_wait_with_its_message(cli: Cli, provider: ProviderServer) -> None:
    provider.script(Reply(text="seen"))
    picture = write(cli, "a.png", PNG)
    cli("start", "look", "--attach", str(picture), "--thread-id", "t", "--no-wait")

    cli.ask("continue", "t", "--model", OPENAI.model)

    assert base64.b64encode(PNG).decode() in json.dumps(provider.requests[0].body)


@pytest.mark.parametrize("dialect", [GEMINI, OPENAI], ids=lambda d: d.model)
def test_an_answer_that_does_not_follow_the_schema_is_asked_for_once_more(
    cli: Cli, provider: ProviderServer, dialect: Dialect
) -> None:
    provider.script(Reply(text="forty-two"), Reply(text='{"n": 42}'))
    schema = write(cli, "schema.json", SCHEMA)

    ended = cli(
        *("start", "how many?", "--thread-id", "t"),
        *("--schema", str(schema), "--model", dialect.model),
    )

    assert (ended.code, ended.out) == (0, '{"n": 42}\n')
    for request in provider.requests:
        assert '"required": ["n"]' in json.dumps(request.body).replace("\\", "")
    said = [e["data"]["message"] for e in cli.events("t") if e["type"] == "UserMessageAdded"]
    assert len(said) == 2
    assert "it is not JSON" in said[1]


def test_an_answer_that_never_follows_the_schema_is_a_failure(cli: Cli) -> None:
    model = cli.script("wrong", {"text": '{"n": "many"}'}, repeat=True)
    schema = write(cli, "schema.json", SCHEMA)

    ended = cli(
        *("start", "how many?", "--thread-id", "t", "--model", model),
        *("--schema", str(schema), "--format", "json"),
    )

    assert ended.code == 1
    assert "at n: 'many' is not of type 'integer'" in ended.json()["error"]
    assert ended.err.splitlines()[-1].startswith("messagedb-agent: the answer does not follow")
    assert cli("message", "t", "in words then").code == 0
    assert "response_schema" not in configurations(cli)[-1]["parameters"]


@pytest.mark.parametrize("content", ["{", "[]", '{"type": "nothing"}', '{"pattern": 1}'])
def test_a_schema_that_is_none_is_refused(cli: Cli, content: str) -> None:
    ended = cli("start", "hi", "--schema", str(write(cli, "schema.json", content)))

    assert ended.code == 2
    assert "schema" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_a_budget_in_dollars_stops_the_turn_and_continue_goes_on(
    cli: Cli, provider: ProviderServer
) -> None:
    call = ReplyCall("get_current_time", "{}", "c1")
    provider.script(Reply(calls=(call,), input_tokens=100_000), Reply(text="done"))
    options = ["--model", OPENAI.model, "--max-cost", "0.1"]

    ended = cli("start", "go", "--thread-id", "t", *options, "--format", "json")

    assert ended.code == 4
    assert ended.json()["usage"]["cost_usd"] > 0.1
    assert "max_cost" in ended.err
    limit = cli.events("t")[-1]
    assert (limit["type"], limit["data"]["limit"]) == ("LimitReached", "max_cost")
    assert cli.ask("continue", "t", *options)["response"] == "done"


def test_a_budget_that_can_not_be_watched_is_refused(cli: Cli, provider: ProviderServer) -> None:
    ended = cli("start", "go", "--model", "openai:of-my-own", "--max-cost", "1")

    assert ended.code == 1
    assert "--max-tokens" in ended.err
    assert cli.sql("SELECT count(*) FROM message_store.messages") == [(0,)]
