"""Two texts beside each other."""

from __future__ import annotations

import pytest

from messagedb_agent.cli.difference import side_by_side, unified

NAMES = ("old", "new")


def beside(one: list[str], two: list[str], width: int = 23) -> list[str]:
    return list(side_by_side(one, two, NAMES, width))


def test_equal_texts_have_no_difference() -> None:
    assert beside(["a"], ["a"]) == []
    assert list(unified(["a"], ["a"], NAMES)) == []


def test_what_differs_stands_beside_each_other() -> None:
    assert beside(["a", "b", "c"], ["a", "B", "c", "d"]) == [
        "old        │ new",
        "───────────┬───────────",
        "a          │ a",
        "b          | B",
        "c          │ c",
        "           > d",
    ]


def test_long_lines_go_on_below() -> None:
    assert beside(["one two three"], ["one"])[2:] == ["one two    | one", "three      |"]


def test_equal_passages_far_from_a_difference_are_left_out() -> None:
    same = [str(number) for number in range(10)]

    assert beside([*same, "x"], [*same, "y"])[2:] == [
        "…          │ …",
        "7          │ 7",
        "8          │ 8",
        "9          │ 9",
        "x          | y",
    ]


@pytest.mark.parametrize("text", ["漢字漢字漢字", "a漢"])
def test_columns_stay_in_line_for_wide_characters(text: str) -> None:
    for row in beside([text], ["x"])[2:]:
        left = row.partition("|")[0]
        assert sum(2 if each in "漢字" else 1 for each in left) == 11
