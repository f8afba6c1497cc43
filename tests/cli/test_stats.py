"""stats: figures by day, model and tool."""

from __future__ import annotations

import psycopg
import pytest

from messagedb_agent.events import (
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.base import Event
from messagedb_agent.store import schema
from tests.cli.conftest import Command, Past
from tests.postgres import NewDatabase


def call(model: str, tokens: int, latency_ms: int) -> tuple[Event, Event]:
    usage = {"input_tokens": tokens - 1, "output_tokens": 1, "total_tokens": tokens}
    return LLMCallRequested(model_name=model), LLMResponseReceived(
        model_name=model, token_usage=usage, latency_ms=latency_ms
    )


def tool(name: str, call_id: str, *, fails: bool = False) -> tuple[Event, Event]:
    claim = ToolExecutionRequested(tool_name=name, tool_call_id=call_id)
    if fails:
        return claim, ToolExecutionFailed(tool_name=name, tool_call_id=call_id)
    return claim, ToolExecutionCompleted(
        tool_name=name, tool_call_id=call_id, execution_time_ms=250
    )


PAST = (
    SessionStarted(thread_id="t"),
    *call("small", 100, 50), *tool("read", "a"), *tool("read", "b", fails=True),
    *call("big", 900, 2000), *tool("write", "c"),
    LLMCallRequested(model_name="big"), LLMCallFailed(error_message="busy"),
)  # fmt: skip


def test_by_day(command: Command, past: Past) -> None:
    past(PAST)

    (day,) = command("stats", "--format", "json").json()

    assert len(day.pop("day")) == 10
    assert day == {
        "model_calls": 2,
        "model_failures": 1,
        "input_tokens": 998,
        "output_tokens": 2,
        "total_tokens": 1000,
        "cost_usd": None,
        "p50_ms": 50,
        "p95_ms": 2000,
        "tool_calls": 3,
        "tool_failures": 1,
    }


def test_by_model(command: Command, past: Past) -> None:
    past(PAST)

    big, small = command("stats", "--by", "model", "--format", "json").json()

    assert (big["model"], big["total_tokens"], big["model_failures"]) == ("big", 900, 1)
    assert (small["model"], small["tool_calls"], small["tool_failures"]) == ("small", 2, 1)


def test_costs_are_told_where_prices_are_known(command: Command, past: Past) -> None:
    used = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    model = "claude-sonnet-4-5@20250929"
    past((
        LLMCallRequested(model_name=model),
        LLMResponseReceived(response_text="x", model_name=model, token_usage=used),
    ))  # fmt: skip

    head, row = command("stats", "--by", "model").out.splitlines()

    assert row[: head.index("COST") + 4].split()[-1] == "$0.0045"
    assert command("stats", "--format", "json").json()[0]["cost_usd"] == 0.0045


def test_by_tool(command: Command, past: Past) -> None:
    past(PAST)

    read, write = command("stats", "--by", "tool", "--format", "json").json()

    assert (read["tool"], read["tool_calls"], read["tool_failures"]) == ("read", 2, 1)
    assert (write["tool"], write["p50_ms"], write["total_ms"]) == ("write", 250, 250)


def test_a_table_has_a_bar_for_each_row(command: Command, past: Past) -> None:
    past(PAST)

    head, big, small = command("stats", "--by", "model").out.splitlines()

    assert head.split()[:2] == ["MODEL", "CALLS"]
    assert big.endswith(f"  {'█' * 24}")
    assert small.count("█") == 2


def test_nothing_is_told_as_such(command: Command) -> None:
    ended = command("stats")

    assert (ended.code, ended.out) == (0, "")
    assert ended.err == "nothing happened in the last 7 days\n"
    assert command("stats", "--format", "json").json() == []


def test_views_that_are_missing_are_asked_for_and_installed(
    command: Command, server: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    monkeypatch.setenv("DATABASE_URL", dsn)

    assert "db install --views" in command("stats").err
    # The arguments of `db` end with those for psql, so no common options follow.
    from messagedb_agent.cli.main import main

    assert main(["db", "install", "--views"]) == 0
    assert command("stats").code == 0
    assert main(["db", "status", "--views"]) == 2
