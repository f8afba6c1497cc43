from __future__ import annotations

import enum
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import ToolContext
from messagedb_agent.tools.schema import describe


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    """A place."""

    x: int
    y: float = 0.0
    tags: list[str] = field(default_factory=list)


class Options(TypedDict):
    deep: bool
    title: NotRequired[str]


@dataclass
class Tree:
    children: list[Tree]


def schema_of(annotation: Any) -> Any:
    def function(value: Any) -> None: ...

    function.__annotations__["value"] = annotation
    return describe(function).parameters["properties"]["value"]


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (float, {"type": "number"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (int | str, {"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (Literal["b", "a"], {"type": "string", "enum": ["a", "b"]}),
        (Colour, {"type": "string", "enum": ["blue", "red"]}),
        (Any, {}),
        (
            Annotated[int, Meta(ge=1, description="Many.")],
            {"type": "integer", "minimum": 1, "description": "Many."},
        ),
        (
            list[Point],
            {
                "type": "array",
                "items": {
                    "description": "A place.",
                    "type": "object",
                    "properties": {
                        "x": {"type": "integer"},
                        "y": {"type": "number", "default": 0.0},
                        "tags": {"type": "array", "items": {"type": "string"}},
                    },
                    "required": ["x"],
                },
            },
        ),
        (
            Options,
            {
                "type": "object",
                "properties": {"deep": {"type": "boolean"}, "title": {"type": "string"}},
                "required": ["deep"],
            },
        ),
    ],
)
def test_a_type_hint_becomes_a_schema_without_references(annotation: Any, schema: Any) -> None:
    assert schema_of(annotation) == schema


def paint(
    where: Point,
    context: ToolContext,
    colour: Colour = Colour.RED,
    options: Options | None = None,
    *,
    layers: float = 1,
) -> str:
    """
    Paint a point.

    Args:
        where: The place to paint.
        colour: With what.
    """
    return f"{context.thread_id}{where}{colour}{options}{layers}"


def test_a_function_becomes_an_object_schema() -> None:
    schema = describe(paint).parameters

    assert list(schema["properties"]) == ["where", "colour", "options", "layers"]
    assert schema["required"] == ["where"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["where"]["description"] == "The place to paint."
    assert schema["properties"]["colour"]["default"] == "red"


def test_the_context_is_not_told_to_the_model() -> None:
    signature = describe(paint)

    assert signature.context_parameter == "context"
    assert "context" not in signature.parameters["properties"]


def test_arguments_arrive_as_the_declared_types() -> None:
    bound = describe(paint).bind({"where": {"x": 1}, "colour": "blue", "layers": 2})

    assert bound == {"where": Point(1), "colour": Colour.BLUE, "layers": 2.0}


def test_arguments_that_were_not_given_are_left_to_the_function() -> None:
    marker = object()

    def function(value: int = marker) -> None: ...  # type: ignore[assignment]  # a sentinel

    signature = describe(function)

    assert signature.bind({}) == {}
    assert signature.parameters["properties"]["value"] == {"type": "integer"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "missing required field `where`"),
        ({"where": {"x": 1}, "size": 3}, "unknown field `size`"),
        ({"where": {"x": "1"}}, "Expected `int`, got `str` - at `$.where.x`"),
        ({"where": {"x": 1.5}}, "Expected `int`, got `float` - at `$.where.x`"),
        ({"where": {"x": True}}, "Expected `int`, got `bool` - at `$.where.x`"),
        ({"where": {"x": 1, "tags": ["a", 2]}}, "at `$.where.tags[1]`"),
        ({"where": {"x": 1}, "colour": "green"}, "Invalid enum value 'green' - at `$.colour`"),
        ({"where": {"x": 1}, "context": {}}, "unknown field `context`"),
    ],
)
def test_wrong_arguments_are_told_with_their_place(arguments: Any, complaint: str) -> None:
    with pytest.raises(ToolError) as raised:
        describe(paint).bind(arguments)

    assert complaint in str(raised.value)
    assert "Parameters: where, colour (optional)" in str(raised.value)


def test_parameters_may_have_any_name() -> None:
    def function(self: int, cls: int, __struct_fields__: int, p0: int) -> None: ...

    given = {"self": 1, "cls": 2, "__struct_fields__": 3, "p0": 4}

    assert describe(function).bind(given) == given


def untyped(value) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001  that is the point
def variadic(*values: int) -> None: ...
def keywords(**values: int) -> None: ...
def positional(value: int, /) -> None: ...
def unresolvable(value: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821  that is the point
def complex_number(value: complex) -> None: ...
def function_value(value: Callable[[], None]) -> None: ...
def ambiguous(value: Point | Options) -> None: ...
def recursive(value: Tree) -> None: ...
async def coroutine(value: int) -> None: ...
def generator(value: int) -> Any:
    yield value


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (untyped, "parameter 'value' has no type hint"),
        (variadic, r"parameter \*values: 'int' is variadic positional|parameter \*values"),
        (keywords, r"parameter \*\*values"),
        (positional, "positional-only"),
        (unresolvable, "can't be resolved.*Nowhere"),
        (complex_number, "parameter 'value' of type <class 'complex'>"),
        (function_value, "parameter 'value'"),
        (ambiguous, "more than one dict-like"),
        (recursive, "recursive"),
        (coroutine, "async"),
        (generator, "generator"),
    ],
)
def test_a_function_that_no_model_could_call_is_refused(
    function: Callable[..., Any], complaint: str
) -> None:
    with pytest.raises(TypeError, match=f"tool {function.__name__}: .*{complaint}"):
        describe(function)


def test_schemas_are_the_same_in_every_process() -> None:
    script = (
        "import json; from messagedb_agent.tools import *; from typing import *;\n"
        "@tool\n"
        "def f(a: Literal['x', 'y'], b: frozenset[str] = frozenset({'p', 'q'})) -> None: ...\n"
        "print(json.dumps(ToolRegistry(f, *builtin_tools()).declarations()))"
    )

    def output(seed: str) -> bytes:
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        return subprocess.check_output([sys.executable, "-c", script], env=environment)

    assert output("1") == output("2")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
NAMES = st.sampled_from(["where", "colour", "options", "layers", "x"]) | st.text()


@given(arguments=st.dictionaries(NAMES, JSON))
def test_any_arguments_either_fit_or_are_a_tool_error(arguments: dict[str, Any]) -> None:
    try:
        bound = describe(paint).bind(arguments)
    except ToolError:
        return
    assert isinstance(bound["where"], Point)
