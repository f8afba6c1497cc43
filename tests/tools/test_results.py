from __future__ import annotations

import enum
import math
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.tools.results import MAX_DEPTH, to_json


@dataclass
class Point:
    x: int
    inner: Any = None


class Row(msgspec.Struct):
    name: str


class Level(enum.IntEnum):
    HIGH = 3


class Text(str):
    __slots__ = ()


class Count(int):
    pass


Pair = namedtuple("Pair", "a b")  # noqa: PYI024  untyped ones exist


class Ratio(float):
    pass


class Proxy:
    def __getattr__(self, name: str) -> str:
        return "anything"

    def __str__(self) -> str:
        return "proxy"


class Silent:
    def __str__(self) -> str:
        raise ValueError("no")


@pytest.mark.parametrize(
    ("value", "json"),
    [
        (None, None),
        ("a\0\ud800", "a\0\ud800"),
        (10**30, 10**30),
        (Point(1, {Point(2).x}), {"x": 1, "inner": [2]}),
        (Row("a"), {"name": "a"}),
        ((1, (2,)), [1, [2]]),
        (Pair(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"a"}), ["a"]),
        (deque([1]), [1]),
        (range(3), [0, 1, 2]),
        (
            {1: "a", None: "b", (1, 2): "c", 2.5: "d"},
            {"1": "a", "None": "b", "(1, 2)": "c", "2.5": "d"},
        ),
        (OrderedDict(a=1), {"a": 1}),
        ({"a": 1}.keys(), ["a"]),
        (datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00Z"),
        (Decimal("1.50"), "1.50"),
        (b"abc", "YWJj"),
        (bytearray(b"abc"), "YWJj"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (Level.HIGH, 3),
        (Text("t"), "t"),
        (Count(4), 4),
        (1j, "1j"),
        (Ratio(0.5), 0.5),
        (Proxy(), "proxy"),
    ],
)
def test_results_become_json(value: Any, json: Any) -> None:
    assert to_json(value) == json


def test_floats_that_json_lacks_stay_floats() -> None:
    found = to_json([math.nan, math.inf])

    assert math.isnan(found[0])
    assert found[1] == math.inf


def test_an_integer_that_python_would_not_print_is_hexadecimal() -> None:
    assert to_json(10**5000) == hex(10**5000)


def test_an_object_without_text_is_named() -> None:
    assert to_json(Silent()) == "<Silent that has no text: ValueError>"


def depth_of(value: Any) -> int:
    return 1 + depth_of(value[0]) if isinstance(value, list) and value else 0


@pytest.mark.parametrize("levels", [150, 100_000])
def test_deep_results_end_in_text(levels: int) -> None:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]

    found = to_json(value)

    assert depth_of(found) == MAX_DEPTH


def test_a_result_that_contains_itself_ends() -> None:
    value: list[Any] = []
    value.append(value)

    assert depth_of(to_json(value)) == MAX_DEPTH


def test_a_long_text_loses_its_middle() -> None:
    found = to_json("a" * 1000 + "b" * 1000, limit=100)

    assert found.startswith("a" * 50 + "\n[… 1900 characters left out …]\n")
    assert found.endswith("b" * 50)


def test_a_large_structure_becomes_text_without_its_middle() -> None:
    found = to_json({"rows": list(range(1000))}, limit=100)

    assert found.startswith('{"rows": [0, 1, 2')
    assert len(found) < 200


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(value=VALUES)
def test_json_stays_as_it_is(value: Any) -> None:
    assert to_json(value) == value
