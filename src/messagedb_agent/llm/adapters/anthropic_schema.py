"""
The form in which Claude takes the schema of an answer. Pure.

Its grammar knows types, properties, enumerations, unions and references that lead to no
circle. It has no other mode: what it can't take at all is not sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from messagedb_agent.llm.adapters.turns import to_json

_DEFINITIONS = ("$defs", "definitions")
_LITERALS = {"enum", "const"}
_OF_TYPE = {
    "object": ("properties", "required", "additionalProperties"),
    "array": ("items", "minItems", "maxItems", "uniqueItems"),
}
_KEPT = {
    *("type", "title", "description", "anyOf", "oneOf", "$ref", *_LITERALS, *_DEFINITIONS),
    *("properties", "required", "items"),
}
_NOTES = {"$schema", "$id", "$comment", "additionalProperties"}
_FORMATS = {
    *("date-time", "time", "date", "duration"),
    *("email", "hostname", "uri", "ipv4", "ipv6", "uuid"),
}

# Claude 3 to 4.1, with or without a date, know no schemas of answers.
_KNOWS_NONE = re.compile(r"claude-(?:3|(?:opus|sonnet)-4(?:-[01])?(?:[-@]\d{8})?$)")


class _NotTaken(Exception):  # noqa: N818 - says what a schema is, not what went wrong
    """The schema says something that the grammar can't."""


def taken(schema: Mapping[str, Any], model: str) -> dict[str, Any] | None:
    """
    The schema as this model takes it, None when it takes none of the kind.

    Objects are closed. What else narrows values (lengths, bounds, patterns) is told in the
    description, and left to whoever checks the answer.
    """
    if _KNOWS_NONE.match(model):
        return None
    try:
        found = _node(schema)
        _refuse_circles(schema)
    except _NotTaken:
        return None
    return found


def _node(schema: Any) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or "allOf" in schema:
        raise _NotTaken
    if isinstance(schema.get("type"), list) and not schema.keys() & _LITERALS:
        return _union(schema)
    node = {key: value for key, value in schema.items() if key in _KEPT}
    told = {key: value for key, value in schema.items() if key not in _KEPT | _NOTES}
    for key in [key for key in ("format", "minItems") if _is_known(key, told.get(key))]:
        node[key] = told.pop(key)
    if node.keys() & _LITERALS:
        node.pop("type", None)
    elif not node.keys() & {"type", "anyOf", "oneOf", "$ref"}:
        raise _NotTaken
    node |= _within(node)
    if "oneOf" in node:
        node["anyOf"] = node.pop("oneOf")
    if node.get("type") == "object" or "properties" in node:
        _close(node, schema)
    if told:
        node["description"] = "\n\n".join(filter(None, [node.get("description"), to_json(told)]))
    return node


def _within(node: Mapping[str, Any]) -> dict[str, Any]:
    """What the parts of a schema become."""
    parts: dict[str, Any] = {}
    for key in ("properties", *_DEFINITIONS):
        if key in node:
            parts[key] = {name: _node(each) for name, each in node[key].items()}
    for key in ("anyOf", "oneOf"):
        if key in node:
            parts[key] = [_node(each) for each in node[key]]
    if "items" in node:
        parts["items"] = _node(node["items"])
    return parts


def _union(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A choice of types, as one of schemas, each with what is said about its own type."""
    shared = {key: schema[key] for key in ("title", "description", *_DEFINITIONS) if key in schema}
    variants = []
    for kind in schema["type"]:
        others = {key for other, keys in _OF_TYPE.items() if other != kind for key in keys}
        own = {key: value for key, value in schema.items() if key not in others | shared.keys()}
        variants.append(_node(own | {"type": kind}))
    return shared | _within(shared) | {"anyOf": variants}


def _is_known(key: str, value: Any) -> bool:
    return value in _FORMATS if key == "format" else value in (0, 1)


def _close(node: dict[str, Any], schema: Mapping[str, Any]) -> None:
    """An object that names nothing could only be empty, and one with a union could be nothing."""
    if not node.get("properties") or "anyOf" in node:
        raise _NotTaken
    if schema.get("additionalProperties", False) is not False:
        raise _NotTaken
    node["additionalProperties"] = False


def _refuse_circles(root: Mapping[str, Any]) -> None:
    definitions = {
        f"#/{key}/{name}": each
        for key in _DEFINITIONS
        for name, each in (root.get(key) or {}).items()
    }
    graph = {name: set(_references(each)) for name, each in definitions.items()}
    if set(_references(root)) - graph.keys():
        raise _NotTaken
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise _NotTaken from error


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for each in schema:
            yield from _references(each)
    elif isinstance(schema, Mapping):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for each in schema.values():
            yield from _references(each)
