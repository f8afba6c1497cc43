"""Schemas of answers in the forms that providers take, by the rules that they document."""

from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.llm.adapters import anthropic_wire, gemini_wire, openai_wire
from messagedb_agent.llm.adapters.anthropic_schema import taken
from messagedb_agent.llm.adapters.openai_schema import MAX_DEPTH, MAX_PROPERTIES, strictly
from messagedb_agent.llm.base import ModelRequest
from messagedb_agent.llm.structured import violation
from messagedb_agent.projections.messages import UserMessage
from messagedb_agent.testing.llm_examples import TOOLS

MODEL = "claude-sonnet-4-5@20250929"
TEXT = {"type": "string"}


def an(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties], **more}


def closed(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return an(properties, additionalProperties=False, **more)


def nested(depth: int) -> dict[str, Any]:
    schema = an({"end": TEXT})
    for _ in range(depth - 1):
        schema = an({"next": schema})
    return schema


def request(schema: dict[str, Any], tools: Any = TOOLS, **parameters: Any) -> ModelRequest:
    return ModelRequest(
        model_name="m",
        system_prompt="sys",
        tools=tools,
        messages=(UserMessage("how many?"),),
        parameters={"response_schema": schema, **parameters},
    )


TREE = {"$defs": {"node": an({"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}})}}


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (an({"n": {"type": "integer"}}), closed({"n": {"type": "integer"}})),
        (an({"a": an({"b": TEXT})}), closed({"a": closed({"b": TEXT})})),
        (
            an({"a": {"type": "array", "items": an({"b": TEXT}), "minItems": 2}}),
            closed({"a": {"type": "array", "items": closed({"b": TEXT}), "minItems": 2}}),
        ),
        (
            an({"a": {"anyOf": [an({"b": TEXT}), TEXT]}}),
            closed({"a": {"anyOf": [closed({"b": TEXT}), TEXT]}}),
        ),
        (closed({"a": {"type": ["string", "null"], "enum": ["x", None]}}),) * 2,
        (closed({"a": {"type": "string", "pattern": "^a", "format": "date"}}),) * 2,
        (
            an({"a": {"const": 1}}, **{"$schema": "s", "$id": "i", "default": {}}),
            closed({"a": {"const": 1}}),
        ),
        (
            an({"a": {"$ref": "#/$defs/b"}}, **{"$defs": {"b": an({"c": {"$ref": "#"}})}}),
            closed({"a": {"$ref": "#/$defs/b"}}, **{"$defs": {"b": closed({"c": {"$ref": "#"}})}}),
        ),
    ],
)
def test_openai_gets_strictly_what_it_takes_strictly(schema: Any, strict: Any) -> None:
    assert strictly(schema) == strict
    assert strictly(strict) == strict
    assert strictly(nested(MAX_DEPTH)) is not None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": TEXT},
        {"anyOf": [an({"a": TEXT})]},
        an({"a": TEXT}, anyOf=[an({"a": TEXT})]),
        {"type": "object", "properties": {"a": TEXT}},
        {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["a"]},
        an({"a": TEXT}, additionalProperties=True),
        an({"a": TEXT}, additionalProperties=TEXT),
        {"type": "object"},
        an({"a": {"type": "object"}}),
        an({"a": {"type": "array"}}),
        an({"a": {}}),
        an({"a": True}),
        an({"a": {"type": "string", "minLength": 1}}),
        an({"a": {"type": "string", "format": "uri"}}),
        an({"a": {"type": "array", "items": TEXT, "uniqueItems": True}}),
        an({"a": {"oneOf": [TEXT, {"type": "null"}]}}),
        an({"a": {"allOf": [TEXT]}}),
        an({"a": {"not": TEXT}}),
        an({"a": {"$ref": "#/$defs/node", "description": "d"}}, **TREE),
        an({"a": {"$ref": "http://127.0.0.1:1/x"}}),
        nested(MAX_DEPTH + 1),
        an({f"p{n}": TEXT for n in range(MAX_PROPERTIES + 1)}),
        an({"a": {"enum": list(range(1001))}}),
        an({"a": {"enum": ["x" * 60 + str(n) for n in range(251)]}}),
        an({"a" * 120_001: TEXT}),
    ],
    ids=lambda schema: str(schema)[:60],
)
def test_openai_is_given_as_it_is_what_has_no_strict_form(schema: dict[str, Any]) -> None:
    assert strictly(schema) is None

    sent = openai_wire.to_request(request(schema), "gpt-5")["response_format"]["json_schema"]

    assert sent == {"name": "answer", "strict": False, "schema": schema}


def test_openai_is_sent_the_strict_form_of_a_schema() -> None:
    sent = openai_wire.to_request(request(an({"n": TEXT})), "gpt-5")["response_format"]

    named = {"name": "answer", "strict": True, "schema": closed({"n": TEXT})}
    assert sent == {"type": "json_schema", "json_schema": named}


BOUNDED = {"type": "integer", "description": "How many.", "minimum": 1}
TOLD = {"type": "integer", "description": 'How many.\n\n{"minimum": 1}'}


@pytest.mark.parametrize(
    ("schema", "form"),
    [
        (an({"n": BOUNDED}), closed({"n": TOLD})),
        (
            {"type": "object", "properties": {"a": TEXT}, "$schema": "s"},
            {"type": "object", "properties": {"a": TEXT}, "additionalProperties": False},
        ),
        (
            {"type": "array", "items": an({"a": TEXT}), "minItems": 1},
            {"type": "array", "items": closed({"a": TEXT}), "minItems": 1},
        ),
        (an({"a": {"oneOf": [TEXT, BOUNDED]}}), closed({"a": {"anyOf": [TEXT, TOLD]}})),
        (
            an({"a": {"type": ["object", "null"], "properties": {"b": TEXT}, "title": "t"}}),
            closed(
                {
                    "a": {
                        "title": "t",
                        "anyOf": [
                            {
                                "type": "object",
                                "properties": {"b": TEXT},
                                "additionalProperties": False,
                            },
                            {"type": "null"},
                        ],
                    }
                }
            ),
        ),
        (an({"a": {"type": "string", "enum": ["x"]}}), closed({"a": {"enum": ["x"]}})),
        (
            an({"a": {"$ref": "#/$defs/b"}}, **{"$defs": {"b": an({"c": TEXT})}}),
            closed({"a": {"$ref": "#/$defs/b"}}, **{"$defs": {"b": closed({"c": TEXT})}}),
        ),
        (an({"a": TEXT | {"format": "date"}}), closed({"a": TEXT | {"format": "date"}})),
    ],
)
def test_claude_gets_the_form_that_its_grammar_takes(schema: Any, form: Any) -> None:
    assert taken(schema, MODEL) == form

    sent = anthropic_wire.to_request(request(schema), MODEL)["output_config"]
    assert sent == {"format": {"type": "json_schema", "schema": form}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        an({"a": TEXT}, additionalProperties=TEXT),
        an({"a": {}}),
        an({"a": True}),
        an({"a": {"allOf": [TEXT]}}),
        an({"a": TEXT}, anyOf=[an({"b": TEXT})]),
        an({"a": {"$ref": "#/$defs/node"}}, **TREE),
        an({"a": {"$ref": "#"}}),
        an({"a": {"$ref": "http://127.0.0.1:1/x"}}),
    ],
    ids=lambda schema: str(schema)[:60],
)
def test_claude_is_not_sent_what_its_grammar_refuses(schema: dict[str, Any]) -> None:
    assert taken(schema, MODEL) is None
    assert "output_config" not in anthropic_wire.to_request(request(schema), MODEL)


@pytest.mark.parametrize("model", ["claude-3-5-sonnet@20241022", "claude-opus-4-1@20250805"])
def test_claude_before_4_5_knows_no_schemas(model: str) -> None:
    assert taken(an({"a": TEXT}), model) is None


@pytest.mark.parametrize("answer", ['{"n": 1}', '{"n": 0}', '{"n": 1, "m": 2}', "{}"])
def test_a_closed_form_lets_nothing_through_that_the_schema_does_not(answer: str) -> None:
    schema = an({"n": {"type": "integer", "minimum": 1}})
    strict = strictly(schema)

    assert strict is not None
    if violation(answer, strict) is None:
        assert violation(answer, schema) is None


def test_gemini_before_3_is_told_the_schema_when_it_has_tools() -> None:
    schema = an({"n": TEXT})

    def config(model: str, tools: Any = TOOLS) -> Any:
        return gemini_wire.to_request(request(schema, tools), model)["config"]

    told = config("gemini-2.5-pro")
    assert "response_json_schema" not in told
    assert told["system_instruction"].startswith("sys\n\n")
    assert '"required": ["n"]' in told["system_instruction"]
    for native in (config("gemini-2.5-pro", ()), config("gemini-3.8-flash"), config("gemini-4-x")):
        assert native["response_json_schema"] == schema
        assert native["system_instruction"] == "sys"


def test_gemini_before_3_thinks_by_a_budget() -> None:
    def thinking(model: str) -> Any:
        asked = request({}, thinking={"effort": "low"})
        return gemini_wire.to_request(asked, model)["config"]["thinking_config"]

    assert thinking("gemini-2.5-flash") == {"include_thoughts": True, "thinking_budget": 2048}
    assert thinking("gemini-3.8-flash") == {"include_thoughts": True, "thinking_level": "LOW"}
