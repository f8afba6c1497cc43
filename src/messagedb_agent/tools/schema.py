"""From type hints and a docstring: what the model is told, how its arguments are checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec

from messagedb_agent.errors import ToolError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.events.first_look import looked_at
from messagedb_agent.tools import docstring
from messagedb_agent.tools.base import ToolContext

_REF = "#/$defs/"
_BY_KIND = {str: "string", bool: "boolean", int: "integer", float: "number"}
_NAMED = frozenset({inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY})


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """
    A function as a model sees it.

    `parameters` is a JSON Schema without references. `context_parameter` names the parameter
    that receives the `ToolContext`, which the model never sees.
    """

    description: str
    parameters: JSONObject
    arguments: type[msgspec.Struct]
    context_parameter: str | None = None

    def bind(self, arguments: JSONObject) -> dict[str, Any]:
        """
        The keyword arguments for the function, with the types it declares.

        Raises `ToolError` when the arguments don't fit, saying where and what would.
        """
        try:
            values = msgspec.convert(dict(arguments), self.arguments)
        except msgspec.ValidationError as error:
            raise ToolError(f"invalid arguments: {error}. {self._usage()}") from error
        fields = zip(values.__struct_fields__, values.__struct_encode_fields__, strict=True)
        given = ((name, getattr(values, field)) for field, name in fields)
        return {name: value for name, value in given if value is not msgspec.UNSET}

    def _usage(self) -> str:
        required = self.parameters.get("required", ())
        names = [n if n in required else f"{n} (optional)" for n in self.parameters["properties"]]
        return f"Parameters: {', '.join(names) or 'none'}"


def describe(function: Callable[..., Any]) -> Signature:
    """
    Read the signature, type hints and docstring of a function.

    Raises `TypeError` when the model could not call it by named JSON arguments: a parameter
    without a type hint, of a type that JSON can't carry, of a recursive type, positional-only
    or variadic; or when the function is a coroutine or a generator.
    """
    name = getattr(function, "__name__", type(function).__name__)
    _refuse_deferred(function, name)
    parameters = inspect.signature(function).parameters.values()
    hints = _hints(function, name)
    texts = docstring.parameters(function.__doc__)
    context_parameter: str | None = None
    fields: list[tuple[str, Any, Any]] = []
    properties: dict[str, Any] = {}
    for number, parameter in enumerate(parameters):
        hint = _hint_of(parameter, hints, name)
        if _is_context(hint):
            context_parameter = parameter.name
            continue
        properties[parameter.name] = _property(parameter, hint, texts.get(parameter.name), name)
        fields.append(_field(number, parameter, hint))
    optional = {p.name for p in parameters if p.default is not p.empty}
    return Signature(
        description=docstring.summary(function.__doc__),
        parameters=_object(properties, optional),
        arguments=_struct(fields, name),
        context_parameter=context_parameter,
    )


def _refuse_deferred(function: Callable[..., Any], name: str) -> None:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"tool {name}: async functions can't be tools; call asyncio.run inside")
    if inspect.isgeneratorfunction(function):
        raise TypeError(f"tool {name}: generator functions can't be tools; return a list")


def _hints(function: Callable[..., Any], name: str) -> Mapping[str, Any]:
    target = function if inspect.isroutine(function) else type(function).__call__
    try:
        return get_type_hints(target, include_extras=True)
    except (NameError, AttributeError, SyntaxError) as error:
        raise TypeError(f"tool {name}: a type hint can't be resolved: {error}") from error


def _hint_of(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> Any:
    if parameter.kind not in _NAMED:
        raise TypeError(
            f"tool {name}: parameter {parameter} is {parameter.kind.description};"
            " a model gives named arguments only"
        )
    if parameter.name not in hints:
        raise TypeError(f"tool {name}: parameter {parameter.name!r} has no type hint")
    return hints[parameter.name]


def _is_context(hint: Any) -> bool:
    return hint is ToolContext or (
        get_origin(hint) is not None
        and ToolContext in get_args(hint)
        and set(get_args(hint)) <= {ToolContext, type(None)}
    )


def _field(number: int, parameter: inspect.Parameter, hint: Any) -> tuple[str, Any, Any]:
    # Struct attributes get names of our own, so that any parameter name is possible.
    attribute = f"p{number}"
    if parameter.default is parameter.empty:
        return attribute, hint, msgspec.field(name=parameter.name)
    kind = Union[hint, msgspec.UnsetType]  # noqa: UP007  the hint is a value here
    return attribute, kind, msgspec.field(name=parameter.name, default=msgspec.UNSET)


def _struct(fields: list[tuple[str, Any, Any]], name: str) -> type[msgspec.Struct]:
    made = msgspec.defstruct("Arguments", fields, kw_only=True, forbid_unknown_fields=True)
    try:
        # Type hints are only compiled by the first use; a wrong one has to show now.
        msgspec.convert({}, looked_at(made))
    except msgspec.ValidationError:
        pass
    except TypeError as error:
        raise TypeError(f"tool {name}: {_first_line(error)}") from error
    return made


def _property(
    parameter: inspect.Parameter, hint: Any, text: str | None, name: str
) -> dict[str, Any]:
    try:
        (schema,), components = msgspec.json.schema_components([hint], ref_template=_REF + "{name}")
        found: dict[str, Any] = _inline(schema, components, ())
    except TypeError as error:
        raise TypeError(
            f"tool {name}: parameter {parameter.name!r} of type {hint!r}: {_first_line(error)}"
        ) from error
    if text:
        found["description"] = text
    if parameter.default is not parameter.empty:
        try:
            found["default"] = msgspec.to_builtins(parameter.default, order="deterministic")
        except (TypeError, RecursionError):
            found.pop("default", None)  # a default that only Python knows is not told
    return found


def _object(properties: dict[str, Any], optional: set[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _inline(schema: Any, components: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """The schema with its references resolved and without the titles that msgspec adds."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        if name in path:
            raise TypeError(f"{name} is recursive, which a tool's parameter can't be")
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_inline(components[name], components, (*path, name)), **beside}
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"properties", "patternProperties"}:
            found[key] = {n: _inline(v, components, path) for n, v in value.items()}
        elif key in {"anyOf", "prefixItems"}:
            found[key] = [_inline(v, components, path) for v in value]
        elif key in {"items", "additionalProperties"}:
            found[key] = _inline(value, components, path)
        elif key != "title":
            found[key] = value
    return _with_type_of_enum(found)


def _with_type_of_enum(schema: dict[str, Any]) -> dict[str, Any]:
    # Some providers refuse an enum that doesn't name its type.
    kinds = {type(value) for value in schema.get("enum", ())}
    if len(kinds) == 1 and "type" not in schema and (kind := _BY_KIND.get(kinds.pop())):
        return {"type": kind, **schema}
    return schema


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(" :")
