"""What `context` prints is what went over the wire, without asking anybody."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer
from tests.acceptance.conftest import Cli
from tests.acceptance.models.conftest import CLAUDE_VERTEX, EACH, GEMINI, OPENAI, Dialect

CALLS = (
    ReplyCall("calculate", '{"expression": "6 * 7"}', "toolu_A", "+/+/"),
    ReplyCall("echo", '{"text": null, "deep": {"snake_case": [1, 2.5, {}]}}', "toolu_B"),
)
CONVERSATION = (
    Reply(thinking="Two of them.", signature="c2ln", text="Let me see.", calls=CALLS),
    Reply(text="It is 42 — há \ud83d\ude00."),
    Reply(text='{"n": 42}'),
)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}},
    "required": ["n"],
    "additionalProperties": False,
}
# Bytes whose base64 has the letters that alphabets differ in.
PICTURE = b"\x89PNG\r\n\x1a\n" + b"\xfb\xff\xfe" * 20


@pytest.fixture
def elsewhere(cli: Cli, tmp_path: Path) -> Mapping[str, str]:
    """The settings of somebody without credentials and without any SDK."""
    folder = tmp_path / "no-sdks"
    folder.mkdir()
    for name in ("anthropic", "openai", "google"):
        (folder / f"{name}.py").write_text("raise AssertionError('no SDK is needed here')\n")
    unset = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS")
    return {**dict.fromkeys(unset, ""), "PYTHONPATH": f"{folder}:{cli.environment['PYTHONPATH']}"}


def claims(cli: Cli) -> list[int]:
    return [e["position"] for e in cli.events("t") if e["type"] == "LLMCallRequested"]


@EACH
def test_context_is_the_body_of_each_request_as_it_was_received(
    cli: Cli, provider: ProviderServer, dialect: Dialect, elsewhere: Mapping[str, str]
) -> None:
    provider.script(*CONVERSATION)
    (cli.folder / "a.png").write_bytes(PICTURE)
    (cli.folder / "schema.json").write_text(json.dumps(SCHEMA))
    cli.ask("start", "6 * 7?", "--thread-id", "t", "--model", dialect.model, "--attach", "a.png")
    tuned = ["--thinking", "low", "--max-output-tokens", "4000", "--temperature", "0.5"]
    cli.ask("message", "t", "as JSON", "--schema", "schema.json", *tuned)
    received = [request.body for request in provider.requests]

    printed = [
        cli.cold("context", "t", "--at", str(position), "--format", "json", env=elsewhere)
        for position in claims(cli)
    ]
    in_text = cli.cold("context", "t", env=elsewhere)

    assert [ended.code for ended in printed] == [0, 0, 0], printed
    assert [ended.json()["request"] for ended in printed] == received
    assert all(ended.json()["matches"] for ended in printed)
    assert in_text.json() == received[-1]
    assert "the very request that was made" in in_text.err
    assert len(provider.requests) == len(received)


@pytest.mark.parametrize("dialect", [CLAUDE_VERTEX, OPENAI], ids=lambda d: d.model)
def test_what_the_sdk_passes_through_is_printed_letter_by_letter(
    cli: Cli, provider: ProviderServer, dialect: Dialect, elsewhere: Mapping[str, str]
) -> None:
    provider.script(*CONVERSATION)
    cli.ask("start", "6 * 7?", "--thread-id", "t", "--model", dialect.model)

    request = cli.cold("context", "t", "--format", "json", env=elsewhere).json()["request"]

    def written(body: Any) -> str:
        return json.dumps([body["messages"], body["tools"]])

    assert written(request) == written(provider.requests[1].body)


def test_a_failed_attempt_has_its_context_too(cli: Cli, provider: ProviderServer) -> None:
    provider.script(Reply(status=400, body={"error": {"message": "no"}}))
    cli("start", "hi", "--thread-id", "t", "--model", GEMINI.model)

    assert cli("context", "t").json() == provider.requests[0].body
