from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.llm.structured import correction, parse_schema, violation

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "names": {"items": {"type": "string"}}},
    "required": ["n"],
}


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ('{"n": 1}', None),
        (' {"n": 1, "names": ["a"]}\n', None),
        ("forty-two", "it is not JSON"),
        ("", "it is not JSON"),
        ('```json\n{"n": 1}\n```', "it is not JSON"),
        ("{}", "'n' is a required property"),
        ('{"n": 1, "names": ["a", 2]}', "at names/1: 2 is not of type 'string'"),
    ],
)
def test_an_answer_follows_its_schema_or_it_is_said_why_not(answer: str, says: str | None) -> None:
    found = violation(answer, SCHEMA)

    assert (found is None) if says is None else (found is not None and says in found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting"),
        ("[]", "a JSON Schema is a JSON object"),
        ('{"type": "nothing"}', "nothing"),
        ("[" * 100_000, "nested"),
    ],
)
def test_a_schema_is_checked_when_it_is_read(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_schema(text)


def test_a_schema_makes_nobody_fetch_anything() -> None:
    found = violation("{}", {"$ref": "http://127.0.0.1:1/schema.json"})

    assert found is not None
    assert "can't be applied" in found


@given(answer=st.text() | st.recursive(st.none() | st.integers(), st.lists).map(json.dumps))
def test_whatever_comes_the_verdict_is_one_line(answer: str) -> None:
    found: Any = violation(answer, SCHEMA)

    assert found is None or "\n" not in found
    assert found is None or found in correction(found, SCHEMA)
