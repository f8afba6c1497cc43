"""show: a thread as people read it, with nothing in it that steers their terminal."""

from __future__ import annotations

import pytest

from messagedb_agent.cli.markdown import rendered
from messagedb_agent.cli.transcript_view import FOLD_LINES, duration, folded
from messagedb_agent.events import (
    AgentConfigured,
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolCall,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.events.base import UnknownEvent
from tests.cli.conftest import Command, Past

LONG = "\n".join(f"line {number}" for number in range(40))

THREAD = (
    SessionStarted(thread_id="t"),
    UserMessageAdded(message="Read it"),
    AgentConfigured(model_name="m"),
    LLMCallRequested(model_name="m"),
    LLMResponseReceived(
        model_name="m", latency_ms=1234, token_usage={"total_tokens": 5678},
        tool_calls=(ToolCall("a", "read", {"path": "x"}),),
    ),
    ToolExecutionRequested(tool_name="read", tool_call_id="a", arguments={"path": "x"}),
    ToolExecutionCompleted(
        tool_name="read", tool_call_id="a", result=LONG, execution_time_ms=12.34
    ),
    ToolExecutionFailed(tool_name="write", tool_call_id="b", error_message="no"),
    LLMCallRequested(model_name="m"),
    LLMResponseReceived(response_text="It has **forty** lines.\x1b[2J"),
    UnknownEvent(type_name="Celebrated", data={"how": "loudly"}),
)  # fmt: skip


def test_a_transcript_tells_who_said_what_and_how_long_it_took(
    command: Command, past: Past
) -> None:
    shown = command("show", past(THREAD)).out

    assert "▸ you [1] · " in shown
    assert " · m · 1.2 s · 5,678 tokens\nasks for read\n" in shown
    assert '→ read {"path":"x"} [5]' in shown
    assert "← read = line 0 [6] · 12 ms" in shown
    assert "! write failed: no [7]" in shown
    assert "It has **forty** lines.\\x1b[2J" in shown
    assert '· Celebrated {"how":"loudly"} [10]' in shown
    assert "asking" not in shown
    assert "configured" not in shown


def test_a_fork_tells_apart_what_it_cost_and_what_it_shares(command: Command, past: Past) -> None:
    def answer(tokens: int) -> LLMResponseReceived:
        model = "claude-sonnet-4-5@20250929"
        usage = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
        return LLMResponseReceived(response_text="x", model_name=model, token_usage=usage)

    origin = past([SessionStarted(thread_id="t"), UserMessageAdded(message="a"), answer(1000)])
    fork = command("fork", origin).out.strip()
    before = command("show", fork).out.splitlines()[-2:]
    listed = command("list", "--json").json()

    assert before == [
        "0 tokens in, 0 out · $0.00",
        "before the fork, in its origin: 1,000 tokens in, 0 out · $0.0030",
    ]
    assert {each["thread_id"]: each["usage"]["input_tokens"] for each in listed} == {
        origin: 1000, fork: 0
    }  # fmt: skip
    assert "before the fork" not in command("show", origin).out


def test_each_answer_tells_what_it_cost_where_that_is_known(command: Command, past: Past) -> None:
    used = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    answers = [
        LLMResponseReceived(response_text="x", model_name=name, token_usage=used)
        for name in ("claude-sonnet-4-5@20250929", "nobody-knows")
    ]

    shown = command("show", past((*THREAD[:2], *answers))).out

    assert "claude-sonnet-4-5@20250929 · 1,100 tokens · $0.0045\n" in shown
    assert "nobody-knows · 1,100 tokens\n" in shown


def test_long_results_are_folded_unless_all_is_wanted(command: Command, past: Past) -> None:
    thread = past(THREAD)

    assert f"  … {40 - FOLD_LINES} more lines (--full)\n" in command("show", thread).out
    assert "line 39" not in command("show", thread).out
    assert "line 39" in command("show", thread, "--full").out


def test_the_events_are_one_option_away(command: Command, past: Past) -> None:
    thread = past(THREAD)

    shown = command("show", thread, "--events").out
    full = command("show", thread, "--events", "--full").out

    heads = [line for line in shown.splitlines() if line.startswith("[")]
    assert [head.partition("]")[0] for head in heads] == [f"[{n}" for n in range(len(THREAD))]
    assert "· asking m" in shown
    assert "metadata {" in full


def test_on_a_terminal_answers_are_rendered(command: Command, past: Past) -> None:
    shown = command("show", past(THREAD), terminal=True).out

    assert "It has \x1b[1mforty\x1b[0m lines.\\x1b[2J" in shown


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("# Head", "<1>Head<0>"),
        ("a **b** c", "a <1>b<0> c"),
        ("`x **y**` z", "<36>x **y**<0> z"),
        ("- one\n  * two", "• one\n  • two"),
        ("```py\nx = **1**\n```\n**b**", "<36>  x = **1**<0>\n<1>b<0>"),
        ("~~~\n```\n~~~", "<36>  ```<0>"),
        ("2 * 3 * 4 and snake_case_name **", "2 * 3 * 4 and snake_case_name **"),
        ("> said", "<2>│ said<0>"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("```\nnever closed\x9b", "<36>  never closed\\x9b<0>"),
    ],
)
def test_markdown_becomes_colours(text: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messagedb_agent.cli.terminal.has_colour", lambda _stream: True)

    assert _marked(rendered(text)) == told


def _marked(text: str) -> str:
    for code in ("0", "1", "2", "36"):
        text = text.replace(f"\x1b[{code}m", f"<{code}>")
    return text


def test_a_text_is_folded_only_where_that_hides_something() -> None:
    lines = [str(number) for number in range(FOLD_LINES + 1)]

    assert folded("\n".join(lines)) == "\n".join(lines)
    assert folded("\n".join([*lines, "x"])).endswith("\n… 2 more lines (--full)")
    assert folded("x" * 3000).endswith("… 2,000 more characters (--full)")


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [(0.26, "0.3 ms"), (12.3, "12 ms"), (1500, "1.5 s"), (61_000, "1 min 1 s")],
)
def test_durations_are_told_as_exactly_as_one_cares(milliseconds: float, told: str) -> None:
    assert duration(milliseconds) == told
