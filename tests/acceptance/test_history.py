"""Threads that others wrote, threads that are long, texts that are odd."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest

from tests.acceptance.conftest import Cli

EARLIER: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
    ("SessionStarted", {"thread_id": "old"}, None),
    (
        "UserMessageAdded",
        {"message": "What time is it?", "timestamp": "2025-01-01T00:00:00Z"},
        None,
    ),
    ("LLMCallStarted", {}, None),
    (
        "LLMResponseReceived",
        {
            "response_text": "",
            "tool_calls": [{"id": "call_1", "name": "get_current_time", "arguments": {}}],
            "model_name": "claude-sonnet-4-5@20250929",
            "token_usage": {},
        },
        None,
    ),
    ("ToolExecutionRequested", {"tool_name": "get_current_time", "arguments": {}}, None),
    ("ToolExecutionApproved", {"tool_name": "get_current_time", "approved_by": "auto"}, None),
    ("ToolExecutionStarted", {"tool_name": "get_current_time", "arguments": {}}, None),
    (
        "ToolExecutionCompleted",
        {"tool_name": "get_current_time", "result": "12:00", "execution_time_ms": 3},
        {"tool_id": "call_1", "tool_index": 0},
    ),
    ("LLMCallStarted", {}, None),
    (
        "LLMResponseReceived",
        {"response_text": "It is noon.", "tool_calls": [], "model_name": "m", "token_usage": None},
        None,
    ),
    ("DisplayPreferenceUpdated", {"instruction": "short", "merged_prompt": "short"}, None),
]


def write(cli: Cli, stream: str, events: list[tuple[str, Any, Any]]) -> None:
    """Events as any program could write them: with plain SQL."""
    with psycopg.connect(cli.database) as connection:
        connection.cursor().executemany(
            "SELECT message_store.write_message(gen_random_uuid()::text, %s, %s, %s, %s)",
            [(stream, kind, json.dumps(data), metadata and json.dumps(metadata))
             for kind, data, metadata in events],
        )  # fmt: skip


def test_a_thread_of_an_earlier_program_shows_and_goes_on(cli: Cli) -> None:
    write(cli, "agent:v0-old", EARLIER)

    shown = cli("show", "old")
    assert shown.code == 0
    assert "It is noon." in shown.out

    model = cli.script("next", {"text": "zero"}, {"text": "one"}, {"text": "two"})
    result = cli.ask("message", "old", "thanks", "--model", model)
    # The script's third answer: the model saw the two that the stream holds already.
    assert result["response"] == "two"
    assert result["stop"] == "done"


@pytest.mark.parametrize("cut", range(1, len(EARLIER)))
def test_it_goes_on_from_wherever_it_was_left(cli: Cli, cut: int) -> None:
    write(cli, "agent:v0-old", EARLIER[:cut])
    model = cli.script("any", {"text": "fine"}, repeat=True)

    ended = cli("message", "old", "go on", "--model", model, "--auto-approve", "--format", "json")

    assert ended.code == 0, ended.err
    assert ended.json()["response"] == "fine"


def test_unknown_events_are_carried_and_do_not_change_what_is_next(cli: Cli) -> None:
    cli("start", "What is 6 * 7?", "--thread-id", "t", "--no-wait")
    write(cli, "agent:v0-t", [("SomethingElse", {"a": [1, None]}, None), ("Noise", 3, None)])

    assert "42" in cli.ask("continue", "t")["response"]
    assert "SomethingElse" in cli("show", "t").out


def test_a_thread_of_ten_thousand_events_is_shown_whole_and_answered_with_one_call(
    cli: Cli,
) -> None:
    turn: list[tuple[str, Any, Any]] = [
        ("UserMessageAdded", {"message": "hello", "timestamp": "2025-01-01T00:00:00Z"}, None),
        ("LLMResponseReceived", {"response_text": "hi", "tool_calls": [], "model_name": "m"}, None),
    ]
    started: tuple[str, Any, Any] = ("SessionStarted", {"thread_id": "big"}, None)
    write(cli, "agent:v0-big", [started, *(turn * 5000)])

    assert len(cli.events("big")) == 10_001
    assert cli("show", "big", "--events").out.count("\n") == 10_002
    assert cli("show", "big").out.count("you [") == 5000

    cli.ask(
        "message", "big", "What is 2 + 2?", "--model", cli.script("s", {"text": "4"}, repeat=True)
    )
    assert cli.types("big")[10_001:] == [
        "UserMessageAdded",
        "AgentConfigured",
        "LLMCallRequested",
        "LLMResponseReceived",
    ]


NASTY = [
    "\x00", "a\x00b", "\ud800", "\udfff lone", "\ufdd0", "\ufdd00041", "\\u0000", "\u202eabc",
    "e\u0301 \u1f600", "\U0001f600 \U0001f469\u200d\U0001f467", "\ufeffbom", "\r\n\t", " ",
    "'; DROP TABLE messages; --", "%s %(x)s $1", "{}[]\"'`\\", "\x1b[31mred\x1b[0m", "\x7f\x80\x9f",
    "null", "NaN", "-0", "1e309", "<b>&amp;</b>", "\u0645\u0631\u062d\u0628\u0627", "\U0010ffff",
    "a" * 100_000, "\ufb00", "\u2028\u2029", "-", "--help",
]  # fmt: skip


def test_any_text_comes_back_exactly(cli: Cli) -> None:
    model = cli.script("ok", {"text": "ok"}, repeat=True)
    cli("start", "first", "--thread-id", "t", "--model", model)

    for text in NASTY:
        data = text.encode("utf-8", "surrogatepass")
        assert cli("message", "t", "-", "--no-wait", stdin=data).code == 0

    said = [e["data"]["message"] for e in cli.events("t") if e["type"] == "UserMessageAdded"]
    assert said == ["first", *NASTY]
    assert cli.ask("continue", "t", "--model", model)["response"] == "ok"
    assert cli("show", "t").code == 0
