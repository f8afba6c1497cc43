"""Checks arguments against the JSON Schema that a server gave for its tool."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from messagedb_agent.errors import ToolError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.results import cut

MAX_COMPLAINTS = 5
_MAX_COMPLAINT = 300


def checker(schema: JSONObject) -> Callable[[JSONObject], None]:
    """
    A check that raises `ToolError` when arguments don't fit.

    Without the package `jsonschema`, and for a schema that is none, everything passes: the
    server has the last word anyway.
    """

    @cache
    def validator() -> Any:
        return _validator(schema)

    def check(arguments: JSONObject) -> None:
        found = validator()
        if found is not None:
            _complain(found, dict(arguments))

    return check


def _validator(schema: JSONObject) -> Any:
    try:
        jsonschema = import_module("jsonschema")
        referencing = import_module("referencing")
    except ImportError:
        return None
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError:
        return None
    # An empty registry: a server's schema must not make this process fetch an address.
    return kind(schema, registry=referencing.Registry())


def _complain(validator: Any, arguments: dict[str, Any]) -> None:
    unresolvable = import_module("referencing").exceptions.Unresolvable
    complaints = []
    try:
        for error in validator.iter_errors(arguments):
            where = "/".join(map(str, error.absolute_path))
            text = cut(f"{where}: {error.message}" if where else error.message, _MAX_COMPLAINT)
            complaints.append(text)
            if len(complaints) == MAX_COMPLAINTS:
                break
    except unresolvable:
        return
    if complaints:
        raise ToolError(f"invalid arguments: {'; '.join(complaints)}")
