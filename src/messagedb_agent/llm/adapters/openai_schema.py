"""
Which answer schemas OpenAI takes strictly, and in which form. Pure.

The rules are those of its guide to structured outputs: the root is an object and no union,
every object is closed and requires all its properties, and only some keywords are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_PROPERTIES = 5_000
MAX_DEPTH = 10
MAX_ENUM_VALUES = 1_000
MAX_ENUM_TEXT, MANY_ENUM_VALUES = 15_000, 250
MAX_TEXT = 120_000

_NOTES = {"$schema", "$id", "$comment", "default", "examples", "deprecated"}
"""Keywords that judge nothing; what OpenAI does not know is left out."""

_DEFINITIONS = ("$defs", "definitions")
_KNOWN = {
    *("type", "title", "description", "enum", "const", "anyOf", "$ref", *_DEFINITIONS),
    *("properties", "required", "additionalProperties"),
    *("items", "minItems", "maxItems"),
    *("pattern", "format"),
    *("multipleOf", "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"),
}
_FORMATS = {
    *("date-time", "time", "date", "duration"),
    *("email", "hostname", "ipv4", "ipv6", "uuid"),
}


class _NotStrict(Exception):  # noqa: N818 - says what a schema is, not what went wrong
    """The schema says something that the strict form can't."""


def strictly(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """
    The schema in the strict form, None when it has none.

    Objects that leave open whether there may be more are closed: whatever fits then fits the
    schema as it was. Nothing else changes; a property that may be missing would have to be
    made up by the model if it were required, so such schemas have no strict form.
    """
    try:
        if schema.get("type") != "object" or "anyOf" in schema:
            return None
        walk = _Walk()
        strict = walk.node(schema, 1)
    except _NotStrict:
        return None
    within = walk.properties <= MAX_PROPERTIES and walk.text <= MAX_TEXT
    return strict if within and walk.enum_values <= MAX_ENUM_VALUES else None


class _Walk:
    """One way through a schema, counting what there is a limit for."""

    def __init__(self) -> None:
        self.properties = self.enum_values = self.text = 0

    def node(self, schema: Any, depth: int) -> dict[str, Any]:
        if not isinstance(schema, Mapping):
            raise _NotStrict
        kept = {key: value for key, value in schema.items() if key not in _NOTES}
        if kept.keys() - _KNOWN or kept.get("format", "date") not in _FORMATS:
            raise _NotStrict
        for name in _DEFINITIONS:
            if name in kept:
                self._count(kept[name])
                kept[name] = {key: self.node(each, depth) for key, each in kept[name].items()}
        if "$ref" in kept:
            return _reference(kept)
        self._values(kept)
        return kept | self._within(kept, depth)

    def _within(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        """What the parts of a schema become."""
        if "anyOf" in schema:
            if schema.keys() & {"properties", "items"}:
                raise _NotStrict
            return {"anyOf": [self.node(each, depth) for each in schema["anyOf"]]}
        types = schema.get("type")
        kinds = set(types if isinstance(types, list) else [types])
        if not schema.keys() & {"type", "enum", "const"}:
            raise _NotStrict
        parts: dict[str, Any] = {}
        if "object" in kinds or "properties" in schema:
            parts |= self._object(schema, depth)
        if "array" in kinds or "items" in schema:
            parts["items"] = self.node(schema.get("items"), depth)
        return parts

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties")
        is_open = schema.get("additionalProperties", False) is not False
        # Closed, an object that names nothing could only be empty.
        if is_open or not properties or depth > MAX_DEPTH:
            raise _NotStrict
        if set(schema.get("required", ())) != set(properties):
            raise _NotStrict
        self.properties += len(properties)
        self._count(properties)
        inner = {name: self.node(each, depth + 1) for name, each in properties.items()}
        return {"properties": inner, "additionalProperties": False}

    def _values(self, schema: Mapping[str, Any]) -> None:
        values = schema.get("enum", [])
        texts = [value for value in values if isinstance(value, str)]
        if len(values) > MANY_ENUM_VALUES and sum(map(len, texts)) > MAX_ENUM_TEXT:
            raise _NotStrict
        self.enum_values += len(values)
        self._count([*texts, str(schema.get("const", ""))])

    def _count(self, names: Any) -> None:
        self.text += sum(map(len, names))


def _reference(schema: Mapping[str, Any]) -> dict[str, Any]:
    """References lead into the schema itself, and stand alone."""
    if not str(schema["$ref"]).startswith("#") or schema.keys() - {"$ref", *_DEFINITIONS}:
        raise _NotStrict
    return dict(schema)
