from __future__ import annotations

import random
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm.base import Completion, Delta, ModelRequest
from messagedb_agent.llm.offline import OfflineModel
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)
from tests.llm.offline_tools import TOOLS, declared


def ask(*messages: Message, tools: tuple[dict[str, Any], ...] = TOOLS) -> Completion:
    request = ModelRequest(model_name="offline", system_prompt="be", tools=tools, messages=messages)
    return OfflineModel().complete(request)


def after(text: str, *results: Any, is_error: bool = False) -> Completion:
    asked = UserMessage(text)
    calls = ask(asked).tool_calls
    return ask(
        asked,
        AssistantMessage("", calls),
        *(
            ToolResult(call.id, call.name, result, is_error)
            for call, result in zip(calls, results, strict=True)
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "list three reasons",
        "what is in the box",
        "I was born on 2026-11-21",
        "pages 3-4 please",
        "what's the weather?",
        "find me a good name",
    ],
)
def test_what_no_rule_understands_is_answered_honestly(text: str) -> None:
    completion = ask(UserMessage(text))

    assert completion.tool_calls == ()
    assert "not a language model" in completion.text
    assert "MODEL_NAME" in completion.text


@pytest.mark.parametrize(
    ("text", "word"), [("hello", "Hello!"), ("help", "several in one message")]
)
def test_greetings_and_calls_for_help_are_answered(text: str, word: str) -> None:
    completion = ask(UserMessage(text))

    assert word in completion.text
    assert "not a language model" in completion.text


def test_a_tool_that_is_not_offered_is_never_called() -> None:
    completion = ask(UserMessage("What is 6 * 7?"), tools=(declared("echo", message="string"),))

    assert completion.tool_calls == ()


def test_the_answer_comes_from_the_result_and_says_who_speaks() -> None:
    completion = after("What is 6 * 7?", 42)

    assert completion.text.startswith("6 * 7 = 42\n")
    assert "not a language model" in completion.text
    assert completion.tool_calls == ()
    assert completion.stop_reason == "end_turn"


def test_all_results_of_the_turn_are_told_in_call_order() -> None:
    text = after("list files and what is 1+1", {"entries": ["a.py", "b.py"]}, 2).text

    assert text.startswith("list_files:\na.py\nb.py\n\n1+1 = 2\n")


@pytest.mark.parametrize(
    ("text", "result", "told"),
    [
        ("list files", {"entries": [], "truncated": False}, "list_files:\n(nothing)\n"),
        ("list files", {"entries": ["a"], "truncated": True}, "list_files:\na\n(and more)\n"),
        ("read a.md", {"content": "hi\n", "first_line": 1}, "read_file a.md:\nhi\n"),
        (
            "search for x in files",
            {"matches": [{"path": "a", "line": 3, "text": "x y"}]},
            "search_files x:\na:3: x y\n",
        ),
        (
            "run ls",
            {"exit_code": 2, "stdout": "a\n", "stderr": "b\n"},
            "run_command ls:\na\nb\nexit code 2\n",
        ),
        (
            "run true",
            {"exit_code": 0, "stdout": "", "stderr": ""},
            "run_command true:\nexit code 0\n",
        ),
        (
            "write 'hi' to a.txt",
            {"path": "a.txt", "bytes": 2, "created": True},
            "write_file a.txt:\ncreated, 2 bytes\n",
        ),
        ("run odd", ["what", 1], "run_command odd:\nwhat\n1\n"),
        ("write 'hi' to a.txt", {"path": "a.txt"}, 'write_file a.txt:\n{"path": "a.txt"}\n'),
    ],
)
def test_results_of_the_builtin_tools_are_told_in_words(text: str, result: Any, told: str) -> None:
    assert after(text, result).text.startswith(told)


def test_a_failed_call_is_reported() -> None:
    assert "calculate failed: too big" in after("9**9**9", "too big", is_error=True).text


def test_a_message_that_came_late_is_answered_together_with_the_results() -> None:
    asked, late = UserMessage("What is 6 * 7?"), UserMessage("echo hi")
    calls = ask(asked).tool_calls

    completion = ask(
        asked, AssistantMessage("", calls), ToolResult(calls[0].id, "calculate", 42), late
    )

    assert completion.text == "6 * 7 = 42"
    assert [call.name for call in completion.tool_calls] == ["echo"]
    assert completion.tool_calls[0].id != calls[0].id


def test_ids_are_unique_in_the_thread_and_stable() -> None:
    asked = UserMessage("echo a. echo a")
    first = ask(asked).tool_calls
    again = ask(asked, AssistantMessage("", first), asked).tool_calls

    assert len({call.id for call in first + again}) == 4
    assert ask(asked).tool_calls == first


def test_what_was_streamed_is_the_answer() -> None:
    deltas: list[Delta] = []
    request = ModelRequest(
        model_name="offline", system_prompt="", tools=(), messages=[UserMessage("hello")]
    )

    completion = OfflineModel().complete(request, on_delta=deltas.append)

    assert len(deltas) > 3
    assert "".join(delta.text for delta in deltas) == completion.text
    assert completion.usage.output_tokens == -(-len(completion.text) // 4)


def test_a_cancelled_call_says_nothing() -> None:
    cancelled = threading.Event()
    cancelled.set()
    request = ModelRequest(model_name="offline", system_prompt="", tools=(), messages=())

    with pytest.raises(ModelCallError) as failure:
        OfflineModel().complete(request, cancelled=cancelled)

    assert failure.value.error_type == "interrupted"


NASTY = [
    "\x00",
    "\ud800 echo \udfff",
    "a " * 2000,
    " " * 4000,
    "\n" * 4000,
    "(" * 4000,
    "'" * 4000,
    "'a " * 1300,
    ", " * 2000,
    "search" + " in" * 1300,
    "write" + " to" * 1300,
    "list " * 800,
    "replace '" + "a' with '" * 480,
    "replace " + " " * 3900,
    "please " * 570,
    "what is " + "1+" * 1900,
    "what time in " * 300,
    "1,111" * 800,
    "x" * 10_000_000,
]


@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_no_message_takes_long(text: str) -> None:
    began = time.thread_time()
    completion = ask(UserMessage(text))

    assert time.thread_time() - began < 10
    assert completion.text or completion.tool_calls


WORDS = st.sampled_from(
    [
        "what is",
        "6",
        "*",
        "7",
        "(",
        "echo",
        "'",
        '"',
        "and",
        "run",
        "list files",
        "to",
        "in",
        ".",
        "?",
    ]
)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, max_size=30).map(" ".join) | st.text(st.characters(codec=None)))
def test_any_message_gets_an_answer_and_no_second_round(text: str) -> None:
    asked = UserMessage(text)
    first = ask(asked)
    results = [
        ToolResult(call.id, call.name, random.Random(0).choice([None, 1, "", [], {"a": [1]}]))
        for call in first.tool_calls
    ]
    last = ask(asked, AssistantMessage("", first.tool_calls), *results) if results else first

    assert last.tool_calls == ()
    assert "not a language model" in last.text


@pytest.mark.parametrize(
    "messages", [(), (AssistantMessage("a"),), (ToolResult("gone", "echo", None),)]
)
def test_odd_histories_are_answered(messages: tuple[Message, ...]) -> None:
    assert "not a language model" in ask(*messages).text


def test_a_call_with_raw_text_arguments_is_reported_like_any_other() -> None:
    call = ToolCall("x", "echo", "{broken")

    assert (
        "echo failed: bad"
        in ask(AssistantMessage("", (call,)), ToolResult("x", "echo", "bad", is_error=True)).text
    )
