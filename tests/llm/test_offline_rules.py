from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.llm.offline_rules import plan
from tests.llm.offline_tools import TOOLS, declared


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("What is 6 * 7?", "6 * 7"),
        ("calculate (3+4)*5", "(3+4)*5"),
        ("what's 12 plus 30", "12 + 30"),
        ("2^10", "2**10"),
        ("6 × 7 =", "6 * 7"),  # noqa: RUF001 - people write it so
        ("What is 15% of 80?", "15 / 100 * 80"),
        ("Hello there, how much is 1,000 times 3?", "1000 * 3"),
        ("what is 10 divided by -4", "10 / -4"),
        ("compute sqrt(16) + max(1, 2)", "sqrt(16) + max(1, 2)"),
        ("what is sqrt(2)?", "sqrt(2)"),
    ],
)
def test_arithmetic_is_left_to_the_tool(text: str, expression: str) -> None:
    assert plan(text, TOOLS) == [("calculate", {"expression": expression})]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("what time is it?", [("get_current_time", {})]),
        ("What time is it in Tokyo?", [("get_current_time", {"timezone": "Asia/Tokyo"})]),
        ("the time in Europe/Berlin now", [("get_current_time", {"timezone": "Europe/Berlin"})]),
        ("echo what is 6 * 7?", [("echo", {"text": "what is 6 * 7?"})]),
        ("say hello and goodbye", [("echo", {"text": "hello and goodbye"})]),
        ("list the files in src", [("list_files", {"path": "src"})]),
        ("list files and tell me the time", [("list_files", {}), ("get_current_time", {})]),
        ("Please show me README.md", [("read_file", {"path": "README.md"})]),
        ("what is in notes.txt?", [("read_file", {"path": "notes.txt"})]),
        ("search for a and b in files", [("search_files", {"query": "a and b"})]),
        ("grep event in src", [("search_files", {"query": "event", "path": "src"})]),
        ("run ls -l 'a b'", [("run_command", {"argv": ["ls", "-l", "a b"]})]),
        ("run ls 'a", [("run_command", {"argv": ["ls", "'a"]})]),
        ("write 'a and b' to x.txt", [("write_file", {"path": "x.txt", "content": "a and b"})]),
        (
            "replace 'a and b' with '' in x.txt.",
            [("edit_file", {"path": "x.txt", "old": "a and b", "new": ""})],
        ),
        ("fetch https://example.com/a?b=c", [("fetch_url", {"url": "https://example.com/a?b=c"})]),
        (
            "list all files in src/ and then read a.md",
            [("list_files", {"path": "src/"}), ("read_file", {"path": "a.md"})],
        ),
    ],
)
def test_requests_become_calls(text: str, calls: list[tuple[str, Any]]) -> None:
    assert plan(text, TOOLS) == calls


def test_arguments_are_named_as_the_tool_declares_them() -> None:
    tools = (declared("run_command", command="string"), declared("calculate", formula="string"))

    assert plan("run ls 'a b' and calculate 1+1", tools) == [
        ("run_command", {"command": "ls 'a b'"}),
        ("calculate", {"formula": "1+1"}),
    ]
