"""Answers that have to follow a JSON Schema: reading the schema, and judging the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from messagedb_agent.errors import ModelUnavailableError

MAX_VIOLATION = 300


def parse_schema(text: str) -> Mapping[str, Any]:
    """The schema in a text. Raises `ValueError`, in one line, when it is none."""
    try:
        schema = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(schema, dict):
        raise ValueError("a JSON Schema is a JSON object")  # noqa: TRY004 - about a file's text
    _, validators = _jsonschema()
    try:
        validators.validator_for(schema, default=validators.Draft202012Validator).check_schema(
            schema
        )
    except Exception as error:
        raise ValueError(_line(error)) from error
    return schema


def violation(answer: str, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with an answer, in one line; None when it is JSON that fits the schema."""
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError) as error:
        return f"it is not JSON: {error}"
    registry, validators = _jsonschema()
    cls = validators.validator_for(schema, default=validators.Draft202012Validator)
    try:
        # An empty registry: nobody's schema makes this program fetch things.
        found = next(cls(schema, registry=registry()).iter_errors(value), None)
    except Exception as error:  # noqa: BLE001 - references that lead nowhere, patterns that are none
        return f"the schema can't be applied: {_line(error)}"
    if found is None:
        return None
    place = "/".join(map(str, found.absolute_path))
    return f"{f'at {place}: ' if place else ''}{_line(found)}"


def correction(problem: str, schema: Mapping[str, Any]) -> str:
    """What the model is told, as a message, when its answer does not fit."""
    return (
        f"That answer does not follow the JSON Schema: {problem}. Answer again with nothing but "
        f"JSON that follows it: {json.dumps(schema, ensure_ascii=False)}"
    )


def _jsonschema() -> tuple[Any, Any]:
    try:
        return import_module("referencing").Registry, import_module("jsonschema.validators")
    except ImportError as error:
        raise ModelUnavailableError(
            "a schema needs a package that is not installed: "
            "run `pip install 'messagedb-agent[schema]'`"
        ) from error


def _line(error: Exception) -> str:
    line = " ".join(str(getattr(error, "message", None) or error).split())
    return line if len(line) <= MAX_VIOLATION else f"{line[:MAX_VIOLATION]}…"
