"""What models were given and what they used, told afterwards from the streams."""

from __future__ import annotations

import pytest

from messagedb_agent.testing.provider_frames import Reply
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import OPENAI

USED = {"input_tokens": 1000, "output_tokens": 100, "cache_read_tokens": 10}


def test_usage_adds_up_the_same_wherever_it_is_told(cli: Cli, provider: ProviderServer) -> None:
    provider.script(Reply(text="one", input_tokens=1_000_000, output_tokens=0))
    real = cli.ask("start", "a", "--thread-id", "real", "--model", OPENAI.model)
    scripted = cli.script("s", {"text": "two", "usage": USED})
    cli.ask("start", "b", "--thread-id", "free", "--model", scripted)

    by_thread = cli("usage", "--by", "thread", "--format", "json").json()
    by_model = cli("usage", "--format", "json").json()

    rows = {row.pop("thread_id"): row for row in by_thread["rows"]}
    listed = cli("list", "--format", "json").json()
    assert {thread["thread_id"]: {"calls": 1, **thread["usage"]} for thread in listed} == rows
    assert rows["real"] == {"calls": 1, **real["usage"]}
    assert rows["real"]["cost_usd"] > 1
    assert rows["free"]["total_tokens"] == 1100
    assert rows["free"]["cost_usd"] == 0
    assert by_model["total"] == by_thread["total"]
    assert by_model["total"]["input_tokens"] == 1_001_000
    assert [row["model_name"] for row in by_model["rows"]] == [OPENAI.model, scripted]
    assert f"${rows['real']['cost_usd']:.2f}" in cli("show", "real").out
    assert "1,001,000" in cli("usage", "--by", "day").out


def test_usage_of_nothing_is_nothing(cli: Cli) -> None:
    assert cli("usage").out == "no model has answered yet\n"
    assert cli("usage", "--format", "json").json()["total"]["calls"] == 0


def test_usage_takes_what_earlier_programs_wrote(cli: Cli) -> None:
    for data in ("{}", '{"token_usage": "many"}', '{"token_usage": {"input_tokens": "1"}}', "[1]"):
        cli.sql(
            "SELECT message_store.write_message(gen_random_uuid()::text, 'agent:v0-old',"
            " 'LLMResponseReceived', %s::jsonb)",
            (data,),
        )

    assert cli("usage", "--format", "json").json()["total"]["calls"] == 4
    assert cli("list", "--format", "json").json()[0]["usage"]["total_tokens"] == 0
    assert cli("show", "old").code == 0


def test_context_is_what_the_model_was_given_at_each_call(
    cli: Cli, provider: ProviderServer
) -> None:
    provider.script(Reply(text="first"), Reply(text="second"))
    cli.ask("start", "-", "--thread-id", "t", "--model", OPENAI.model, stdin="héllo \0".encode())
    cli.ask("message", "t", "more", "--temperature", "0.5")
    claims = [e["position"] for e in cli.events("t") if e["type"] == "LLMCallRequested"]

    seen = [
        cli("context", "t", "--at", str(position), "--format", "json").json()
        for position in (claims[0], claims[1] - 1, claims[1])
    ]

    assert [context["position"] for context in seen] == [claims[0], claims[0], claims[1]]
    assert all(context["matches"] for context in seen)
    contents = [[m["content"] for m in context["request"]["messages"][1:]] for context in seen]
    assert contents[2][1:] == ["first", "more"]
    assert contents[0] == contents[1] == contents[2][:1]
    assert [context["request"].get("temperature") for context in seen] == [None, None, 0.5]


def test_context_says_when_it_can_not_derive_what_was_sent(cli: Cli) -> None:
    cli("start", "hello", "--thread-id", "t")
    cli.sql(
        "UPDATE message_store.messages SET data = jsonb_set(data, '{message}', '\"hallo\"')"
        " WHERE type = 'UserMessageAdded'"
    )

    ended = cli("context", "t", "--format", "json")

    assert (ended.code, ended.json()["matches"]) == (1, False)
    assert "not what the model saw" in ended.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["context", "nope"], "no thread nope"),
        (["context", "t", "--at", "-1"], "position"),
        (["context", "t", "--at", "0"], "no model was called"),
        (["usage", "--by", "moon"], "invalid choice"),
        (["start", "a", "--temperature", "3"], "0 to 2"),
        (["start", "a", "--temperature", "nan"], "0 to 2"),
        (["start", "a", "--thinking", "hard"], "low, medium, high"),
        (["start", "a", "--max-cost", "0"], "above 0"),
        (["start", "a", "--max-output-tokens", "x"], "whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_options_are_one_line(cli: Cli, arguments: list[str], says: str) -> None:
    if "0" in arguments:
        cli("start", "hello", "--thread-id", "t", "--no-wait")

    ended = cli(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1


def test_wrong_settings_are_named(cli: Cli) -> None:
    wrong = {"MODEL_TIMEOUT": "soon", "MODEL_MAX_ATTEMPTS": "0", "MODEL_RETRY_PAUSE": "-1"}

    ended = cli("start", "a", env=wrong)

    assert ended.code == 2
    assert all(name in ended.err for name in wrong)


def test_context_follows_a_fork_to_where_it_came_from(cli: Cli) -> None:
    model = cli.script("s", {"text": "one"}, {"text": "two"})
    cli("start", "first", "--thread-id", "t", "--model", model)
    cli("fork", "t", "--thread-id", "f", "--message", "and then?")
    cli("continue", "f", "--model", model)

    context = cli("context", "f", "--format", "json").json()

    assert (context["thread_id"], context["matches"]) == ("f", True)
    messages = context["request"]["messages"]
    assert [message["text"] for message in messages] == ["first", "one", "and then?"]
