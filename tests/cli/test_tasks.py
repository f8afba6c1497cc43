"""What people tried from `--help` alone, and stumbled over once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from messagedb_agent.events import (
    AgentConfigured,
    LLMResponseReceived,
    SessionStarted,
    ToolApprovalRequested,
    ToolCall,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from tests.cli.conftest import Command, Past

PRICED = "claude-sonnet-4-5@20250929"


def talk(message: str, tokens: int = 0, model: str = "offline") -> list[Event]:
    usage = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
    answer = LLMResponseReceived(response_text="x", model_name=model, token_usage=usage)
    return [SessionStarted(thread_id="t"), UserMessageAdded(message=message), answer]


def age_by(dsn: str, thread: str, days: int) -> None:
    """Let all of a thread have happened so many days ago."""
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE message_store.messages SET time = %s WHERE stream_name LIKE %s",
            (datetime.now(UTC).replace(tzinfo=None) - timedelta(days=days), f"%{thread}"),
        )


def test_a_title_of_several_words_needs_no_quotes(command: Command, past: Past) -> None:
    thread = past(talk("hi"))

    assert command("rename", thread, "Invoices", "of", "March").code == 0
    assert command("list", "--json").json()[0]["title"] == "Invoices of March"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("message", "last", "What", "is", "it?"), "too many words: is it?"),
        (("message", "last", "What", "is", "it?"), "put in quotes"),
        (("show", "last", "--ful"), "but there is --full (see `./cli show --help`)"),
        (("usage", "--day", "7"), "but there is --days (see `./cli usage --help`)"),
        (("list", "--since", "7"), "7d are days"),
        (("archive", "--older-than", "90"), "90d are days"),
        (("list", "--since", "christmas"), "is no time such as"),
    ],
)
def test_what_is_not_understood_is_told_with_what_might_be_meant(
    command: Command, arguments: tuple[str, ...], told: str
) -> None:
    ended = command(*arguments)

    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert told in ended.err


def test_threads_of_late_are_listed(command: Command, past: Past, cli_dsn: str) -> None:
    old, recent = past(talk("old")), past(talk("recent"))
    age_by(cli_dsn, old, 3)

    def listed(since: str) -> list[str]:
        found = command("list", "--json", "--since", since).json()
        return [thread["thread_id"] for thread in found]

    assert listed("yesterday") == listed("12h") == listed("2d") == [recent]
    assert listed("4d") == listed("2020-01-01") == [recent, old]
    assert command("list", "--since", "2999-01-01").err == "no such thread\n"


def test_what_cost_most_of_late_comes_first(command: Command, past: Past, cli_dsn: str) -> None:
    threads = [past(talk("x", tokens, PRICED)) for tokens in (100, 300, 200, 900)]
    age_by(cli_dsn, threads[3], 10)

    def most(*options: str) -> list[str]:
        rows = command("usage", "--by", "thread", "--format", "json", *options).json()["rows"]
        return [row["thread_id"] for row in rows]

    assert most("--days", "7") == [threads[1], threads[2], threads[0]]
    assert most()[0] == threads[3]


def test_on_a_narrow_terminal_titles_have_room_and_columns_that_say_something(
    command: Command, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    past(talk("What becomes of a title of forty columns"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")

    head, line = command("list", terminal=True).out.splitlines()

    assert head.split() == ["THREAD", "STATUS", "AGE", "MSG", "TITLE"]
    assert line.endswith("  What becomes of a title of forty columns")
    usage = command("usage", "--by", "thread", terminal=True).out.splitlines()
    assert max(map(len, usage)) <= 80


def test_edited_arguments_have_to_be_whole(command: Command, past: Past) -> None:
    schema = {"type": "object", "properties": {}, "required": ["path", "content"]}
    thread = past(
        [
            *talk("write")[:2],
            AgentConfigured(model_name="m", tools=({"name": "write", "parameters": schema},)),
            LLMResponseReceived(tool_calls=(ToolCall("a", "write", {"path": "x"}),)),
            ToolApprovalRequested(tool_name="write", tool_call_id="a"),
        ]
    )

    part = command("approve", thread, "--edit", '{"path": "y"}')
    whole = command("approve", thread, "--edit", '{"path": "y", "content": "z"}')

    assert (part.code, whole.code) == (2, 0)
    assert "takes the place of all arguments, and write needs content" in part.err
