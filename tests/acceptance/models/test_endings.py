"""Answers that end otherwise than they should: nobody takes them for whole ones."""

from __future__ import annotations

import json
from typing import NamedTuple

import pytest

from messagedb_agent.testing.provider_frames import Reply
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import CLAUDE_VERTEX, GEMINI, OPENAI, Dialect


class Ending(NamedTuple):
    """What a model says, how it stops, and what is told about it."""

    reason: str
    text: str
    stop: str
    code: int
    says: str


CUT = Ending("max_tokens", "half an ans", "truncated", 0, "ended early, at the limit")
FULL = Ending("context_window", "half an ans", "truncated", 0, "context is full")
REFUSED = Ending("refusal", "", "refused", 1, "refused to answer")
BLOCKED = Ending("safety", "", "refused", 1, "refused for reasons of safety")
EMPTY = Ending("end_turn", "", "done", 0, "empty answer")
ENDINGS = [CUT, FULL, REFUSED, BLOCKED, EMPTY]
EACH_ENDING = pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.reason)


def scripted(cli: Cli, ending: Ending) -> str:
    return cli.script("ending", {"text": ending.text, "stop_reason": ending.reason})


def last_line(err: str) -> str:
    line = err.splitlines()[-1]
    assert line.startswith("messagedb-agent: ")
    return line


@EACH_ENDING
def test_in_text_a_line_on_stderr_says_it(cli: Cli, ending: Ending) -> None:
    ended = cli("start", "go", "--thread-id", "t", "--model", scripted(cli, ending))

    assert (ended.code, ended.out) == (ending.code, f"{ending.text}\n")
    assert ending.says in last_line(ended.err)
    shown = cli("show", "t").out
    assert "[empty answer]" in shown if ending is EMPTY else ending.reason in shown


@EACH_ENDING
def test_in_json_the_object_says_it(cli: Cli, ending: Ending) -> None:
    ended = cli("start", "go", "--model", scripted(cli, ending), "--format", "json")

    assert ended.code == ending.code
    told = ended.json()
    assert (told["stop"], told["response"]) == (ending.stop, ending.text)
    assert ending is EMPTY or ending.says in told["error"]
    assert ending.says in last_line(ended.err)


@EACH_ENDING
def test_in_jsonl_the_event_says_it(cli: Cli, ending: Ending) -> None:
    ended = cli("start", "go", "--model", scripted(cli, ending), "--format", "jsonl")

    assert ended.code == ending.code
    last = json.loads(ended.out.splitlines()[-1])
    assert (last["type"], last["data"]["stop_reason"]) == ("LLMResponseReceived", ending.reason)
    assert ending.says in last_line(ended.err)


@pytest.mark.parametrize(
    ("dialect", "word", "ending"),
    [
        (CLAUDE_VERTEX, "max_tokens", CUT),
        (CLAUDE_VERTEX, "model_context_window_exceeded", FULL),
        (CLAUDE_VERTEX, "refusal", REFUSED),
        (CLAUDE_VERTEX, "end_turn", EMPTY),
        (GEMINI, "MAX_TOKENS", CUT),
        (GEMINI, "SAFETY", BLOCKED),
        (GEMINI, "STOP", EMPTY),
        (OPENAI, "length", CUT),
        (OPENAI, "content_filter", BLOCKED),
        (OPENAI, "stop", EMPTY),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_provider_has_its_own_words_for_it(
    cli: Cli, provider: ProviderServer, dialect: Dialect, word: str, ending: Ending
) -> None:
    provider.script(Reply(text=ending.text, stop=word), Reply(text="well again"))

    ended = cli("start", "go", "--thread-id", "t", "--model", dialect.model, "--format", "json")

    assert (ended.code, ended.json()["stop"]) == (ending.code, ending.stop)
    assert ending.says in last_line(ended.err)
    answer = cli.events("t")[-1]["data"]
    assert answer["stop_reason"] == ending.reason
    assert answer["details"]["stop_reason"] == word
    assert cli.ask("message", "t", "and now?")["response"] == "well again"


def test_a_prompt_that_gemini_blocks_is_refused(cli: Cli, provider: ProviderServer) -> None:
    feedback = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    provider.script(Reply(frames=(f"data: {json.dumps(feedback)}\n\n".encode(),)))

    ended = cli("start", "go", "--thread-id", "t", "--model", GEMINI.model)

    assert ended.code == 1
    assert BLOCKED.says in last_line(ended.err)
    assert "PROHIBITED_CONTENT" in json.dumps(cli.events("t")[-1]["data"]["details"])


def test_a_cut_answer_does_not_pass_for_one_that_follows_a_schema(cli: Cli) -> None:
    (cli.folder / "schema.json").write_text(json.dumps({"type": "array"}))
    model = cli.script("cut", {"text": "[1, 2", "stop_reason": "max_tokens"}, {"text": "[1]"})

    told = cli.ask("start", "go", "--model", model, "--schema", "schema.json")

    assert (told["stop"], told["response"]) == ("done", "[1]")
