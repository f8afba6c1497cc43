from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.tools import (
    Tool,
    ToolRegistry,
    builtin_tools,
    tool,
    tools_to_function_declarations,
)


def named(name: str) -> Tool:
    return tool(name=name, description=name)(lambda: None)


def test_tools_are_found_by_name() -> None:
    registry = ToolRegistry(named("a"))

    assert registry.get("a") is next(iter(registry))
    assert registry.get("b") is None
    assert "a" in registry
    assert "b" not in registry


def test_tools_keep_their_order() -> None:
    registry = ToolRegistry(named("b"), named("a"))
    registry.register(named("c"))

    assert registry.names == ("b", "a", "c")
    assert [t.name for t in registry] == ["b", "a", "c"]
    assert len(registry) == 3


def test_a_name_can_be_given_once_only() -> None:
    registry = ToolRegistry(named("a"))

    with pytest.raises(ValueError, match="already a tool named a"):
        registry.register(named("a"))


def test_only_tools_can_be_registered() -> None:
    plain: Any = len

    with pytest.raises(TypeError, match="make one with @tool"):
        ToolRegistry(plain)


def test_register_is_a_decorator() -> None:
    registry = ToolRegistry()

    @registry.register
    @tool
    def act() -> None: ...

    assert registry.get("act") is act


def test_declarations_are_what_the_model_is_told() -> None:
    registry = ToolRegistry(named("a"))

    assert tools_to_function_declarations(registry) == (
        {
            "name": "a",
            "description": "a",
            "parameters": {
                "type": "object",
                "properties": {},
                "required": [],
                "additionalProperties": False,
            },
        },
    )


def test_builtin_tools_that_write_or_reach_out_have_to_be_asked_for() -> None:
    terms = {t.name: (t.permission, t.recovery) for t in builtin_tools()}

    assert terms == {
        "get_current_time": ("allow", "retry"),
        "calculate": ("allow", "retry"),
        "echo": ("allow", "retry"),
        "read_file": ("allow", "retry"),
        "list_files": ("allow", "retry"),
        "search_files": ("allow", "retry"),
        "write_file": ("ask", "retry"),
        "edit_file": ("ask", "fail"),
        "run_command": ("ask", "fail"),
        "fetch_url": ("ask", "retry"),
    }


def test_every_parameter_of_a_builtin_tool_is_described() -> None:
    for builtin in builtin_tools():
        assert builtin.description
        for name, schema in builtin.parameters["properties"].items():
            assert schema.get("description"), f"{builtin.name}.{name}"
