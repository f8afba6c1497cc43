from __future__ import annotations

import json

import pytest

from messagedb_agent.tui.text import clipped, duration, editable, one_line, pretty, visible


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\rb", "a\\x0db"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
        ("a\r\nb\tc", "a\nb    c"),
        ("naïve 👩‍💻 日本", "naïve 👩‍💻 日本"),
    ],
)
def test_what_can_not_be_seen_is_spelled_out(hostile: str, harmless: str) -> None:
    assert visible(hostile) == harmless


def test_a_long_text_says_how_much_is_missing() -> None:
    assert clipped("abc") == "abc"
    assert clipped("x" * 30, characters=10).startswith("x" * 10 + "\n… 20 more characters")
    assert clipped("a\nb\nc", lines=2).startswith("a\nb\n… 2 more")


def test_one_line_is_one_line() -> None:
    assert one_line("a\n  b\tc", 80) == "a b c"
    assert one_line("x" * 100, 10) == "x" * 9 + "…"


def test_json_to_edit_is_json_and_shows_everything() -> None:
    value = {"text": "a\x9b\u202e\n b", "n": 1}

    assert json.loads(editable(value)) == value
    assert "\u202e" not in editable(value)
    assert "\x9b" not in editable(value)


def test_what_is_not_json_is_shown_somehow() -> None:
    endless: list[object] = []
    endless.append(endless)

    assert "can not be shown" in pretty(endless)
    assert pretty(float("nan")) == "NaN"


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(3.2, "3 ms"), (1234, "1.2 s"), (180_000, "3 min")]
)
def test_durations(milliseconds: float, text: str) -> None:
    assert duration(milliseconds) == text
