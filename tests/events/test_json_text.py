"""Any value, as text that PostgreSQL takes, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from messagedb_agent.errors import EncodingError
from messagedb_agent.events.json_text import (
    LEAD,
    MAX_DEPTH,
    canonical,
    canonical_lines,
    digest,
    from_json,
    in_stored_order,
    to_json,
)
from messagedb_agent.testing.strategies import NASTY_TEXTS, json_objects, json_values, texts
from tests.events.sameness import same
from tests.postgres import NewDatabase

NUMBERS = (
    0, -1, True, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, 1 << 64, -(1 << 63), -(1 << 63) - 1,
    10**4000, 0.0, -0.0, 0.1, 1e2, 1e15, 1e16, 1e22, 1e300, 5e-324, 1.7976931348623157e308,
    float("inf"), float("-inf"), float("nan"),
)  # fmt: skip


def nested(levels: int) -> Any:
    value: Any = "core"
    for level in range(levels):
        value = [value] if level % 2 else {"in": value}
    return value


@pytest.fixture(scope="module")
def database(server: NewDatabase) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(server(), autocommit=True) as connection:
        yield connection


def through_jsonb(database: psycopg.Connection[Any], text: str) -> str:
    row = database.execute("SELECT (%s::jsonb)::text", (text,)).fetchone()
    assert row is not None
    return str(row[0])


@given(json_values())
@example("\ufdd0FDD0")
@example({"\ufdd0i1": "\ufdd0fnan"})
def test_what_is_written_reads_back_exactly(value: Any) -> None:
    assert same(from_json(to_json(value)), value)


@given(json_values())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_what_went_through_jsonb_reads_back_exactly(
    database: psycopg.Connection[Any], value: Any
) -> None:
    assert same(from_json(through_jsonb(database, to_json(value))), value)


@given(value=st.dictionaries(texts(), json_objects(), max_size=6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
def test_keys_are_in_the_order_in_which_jsonb_keeps_them(
    database: psycopg.Connection[Any], value: dict[str, Any]
) -> None:
    before = from_json(in_stored_order(to_json({"inner": value})))["inner"]

    after = from_json(through_jsonb(database, to_json({"inner": value})))["inner"]

    assert same(before, value)
    assert list(before) == list(after)
    assert [list(inner) for inner in before.values()] == [list(inner) for inner in after.values()]


@pytest.mark.parametrize("text", NASTY_TEXTS, ids=ascii)
def test_nasty_text_survives_jsonb_as_value_and_as_key(
    database: psycopg.Connection[Any], text: str
) -> None:
    value = {text: [text, {"again": text}]}

    assert from_json(through_jsonb(database, to_json(value))) == value


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number!r:.24}")
def test_numbers_survive_jsonb(database: psycopg.Connection[Any], number: float) -> None:
    assert same(from_json(through_jsonb(database, to_json([number]))), [number])


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: f"{number!r:.24}")
def test_numbers_survive_jsonb_wherever_they_stand(
    database: psycopg.Connection[Any], number: float
) -> None:
    value = {"first": number, "many": [number, number, [number]], "last": {"inner": number}}

    for each in (number, value, [value, number]):
        assert same(from_json(through_jsonb(database, to_json(each))), each)


def test_ten_megabytes_survive_jsonb(database: psycopg.Connection[Any]) -> None:
    text = "ten megabytes: ü\x00😀 " * 400_000

    assert from_json(through_jsonb(database, to_json({"message": text}))) == {"message": text}


@given(texts())
def test_the_written_text_is_json_for_any_other_program(text: str) -> None:
    written = to_json(text)

    assert isinstance(json.loads(written), str)
    assert written.encode("utf-8").isascii() or "\x00" not in written


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\ufdd0")))
def test_ordinary_text_is_written_as_it_is(text: str) -> None:
    assert LEAD not in to_json(text)
    assert json.loads(to_json(text)) == text


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "18446744073709551616", "9" * 400]
)
def test_numbers_that_other_programs_wrote_are_read(number: str) -> None:
    assert from_json(number) == json.loads(number)


def test_the_deepest_value_that_is_taken_survives(database: psycopg.Connection[Any]) -> None:
    value = nested(MAX_DEPTH)

    assert from_json(through_jsonb(database, to_json(value))) == value


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, 100_000])
def test_deeper_nesting_is_refused(levels: int) -> None:
    with pytest.raises(EncodingError, match=f"deeper than {MAX_DEPTH} levels"):
        to_json(nested(levels))


@pytest.mark.parametrize("value", [object(), 1j, {None: 1}, [lambda: 0]])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(EncodingError, match="is not JSON"):
        to_json(value)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ((1, (2,)), [1, [2]]),
        ({1: "x"}, {"1": "x"}),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00Z"),
        ([datetime(2026, 1, 2, tzinfo=UTC), "\x00"], ["2026-01-02T00:00:00Z", "\x00"]),
    ],
)
def test_what_json_has_no_word_for_is_written_one_way(value: Any, read: Any) -> None:
    # Whether something else in the value has to be escaped makes no difference.
    assert from_json(to_json(value)) == read
    assert from_json(to_json([value, "\x00"])) == [read, "\x00"]


@given(st.dictionaries(texts(), json_values(4), max_size=4), st.randoms())
def test_equal_objects_have_one_digest_whatever_the_order_of_their_keys(
    value: dict[str, Any], random: Any
) -> None:
    items = list(value.items())
    random.shuffle(items)

    assert digest(dict(items)) == digest(value)


@given(json_values(), json_values())
def test_different_values_have_different_canonical_forms(left: Any, right: Any) -> None:
    assert (canonical(left) == canonical(right)) == same(left, right)


@given(st.lists(json_values(), max_size=5))
def test_lines_are_the_canonical_forms_one_below_the_other(values: list[Any]) -> None:
    assert canonical_lines(values) == b"".join(canonical(value) + b"\n" for value in values)
