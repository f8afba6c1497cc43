"""Hypothesis strategies: JSON with nasty text in it, events of every type."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from messagedb_agent.events.agent import ToolCall
from messagedb_agent.events.base import Event, UnknownEvent
from messagedb_agent.events.registry import registered
from messagedb_agent.events.tool import StoredResult

NASTY_TEXTS: tuple[str, ...] = (
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud83d",
    "\ude00\ud83d",
    "\ufdd0",
    "\ufdd00000",
    "\ufdd0i7f",
    "\ufdd0fnan",
    "\ufdd0FDD0",
    "\ufffe\uffff",
    "😀👩‍👩‍👧",
    "\U0010ffff",
    "مرحبا \u202e gnirts \u202c",
    "e\u0301",
    "\\u0000 \\ \" '",
    "\u2028\u2029\x7f\x1b[31m",
    "line\r\nline\ttab",
    "{}[]null",
    "'; DROP TABLE messages; --",
    "$1 %s {0}",
)
"""Texts that some layer of some store got wrong once."""

CALL_IDS = ("a", "b", "call_0", "call_1", "")
TOOL_NAMES = ("look", "write", "nosuch")


def texts() -> st.SearchStrategy[str]:
    """Any text that Python can hold, lone surrogates and NUL included."""
    anything = st.text(st.characters(exclude_categories=()), max_size=20)
    return st.sampled_from(NASTY_TEXTS) | anything


def numbers() -> st.SearchStrategy[int | float]:
    """Integers of any size, and every float."""
    large = st.integers(-(1 << 80), 1 << 80)
    odd = st.sampled_from((-0.0, 1e15, 1e16, 1e22, 5e-324, 1.7976931348623157e308, 0.1))
    return st.integers() | large | st.floats() | odd


def json_values(max_leaves: int = 8) -> st.SearchStrategy[Any]:
    """Any JSON value, and the numbers that JSON has no word for."""
    return st.recursive(
        st.none() | st.booleans() | numbers() | texts(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
        max_leaves=max_leaves,
    )


def json_objects() -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects."""
    return st.dictionaries(texts(), json_values(4), max_size=3)


def tool_calls() -> st.SearchStrategy[ToolCall]:
    """Calls by few ids and names, so that they meet."""
    return st.builds(
        ToolCall,
        id=st.sampled_from(CALL_IDS),
        name=st.sampled_from(TOOL_NAMES),
        arguments=json_objects() | texts() | st.none(),
    )


def events_of(kind: type[Event]) -> st.SearchStrategy[Event]:
    """Events of one type, all of their fields filled with what fits."""
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{field.name: _of_field(field.name, field.type) for field in fields})


def unknown_events() -> st.SearchStrategy[UnknownEvent]:
    """Events of a type that no program here knows."""
    return st.builds(
        UnknownEvent, type_name=st.sampled_from(("Surprise", "Δ", "x y")), data=json_values(4)
    )


def events() -> st.SearchStrategy[Event]:
    """Events of every type that is known when this is called, and of unknown ones."""
    return st.one_of([*map(events_of, registered()), unknown_events()])


def _of_field(field: str, kind: Any) -> st.SearchStrategy[Any]:
    """Fields by which events refer to one another take few values."""
    if field in ("tool_call_id", "tool_id"):
        return st.none() | st.sampled_from(CALL_IDS)
    if field == "tool_name":
        return st.sampled_from(TOOL_NAMES)
    if field == "tool_calls":
        return st.lists(tool_calls(), max_size=3).map(tuple)
    if field == "remember":
        return st.sampled_from((None, "tool", "arguments", "moon"))
    return _of_type(kind)


def _of_type(kind: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Any:
        return json_values(4)
    if origin in (Union, types.UnionType):
        return st.one_of([_of_type(part) for part in arguments])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_of_type(arguments[0]), max_size=2).map(tuple)
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return json_objects()
    return _PLAIN[kind]


_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    StoredResult: st.builds(
        StoredResult, sha256=st.sampled_from(("a" * 64, "b" * 64)), size=st.integers(0, 1 << 40)
    ),
    type(None): st.none(),
    bool: st.booleans(),
    int: st.integers(-(1 << 40), 1 << 80),
    float: st.floats(),
    str: texts(),
}
