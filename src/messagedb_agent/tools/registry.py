"""The tools that one agent may use, by name."""

from __future__ import annotations

from collections.abc import Iterator

from messagedb_agent.events.base import JSONObject
from messagedb_agent.tools.base import Tool


class ToolRegistry:
    """Keeps tools in the order in which they came; their names are unique."""

    def __init__(self, *tools: Tool) -> None:
        self._tools: dict[str, Tool] = {}
        for tool in tools:
            self.register(tool)

    def register(self, tool: Tool) -> Tool:
        """
        Add a tool and give it back, so that this may stand above `@tool` as a decorator.

        Raises `ValueError` when the name is taken and `TypeError` for anything but a `Tool`.
        """
        if not isinstance(tool, Tool):
            raise TypeError(f"{tool!r} is not a Tool; make one with @tool")
        if tool.name in self._tools:
            raise ValueError(f"there is already a tool named {tool.name}")
        self._tools[tool.name] = tool
        return tool

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return self._tools.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all tools, in order."""
        return tuple(self._tools)

    def declarations(self) -> tuple[JSONObject, ...]:
        """What the model is told about each tool: `{name, description, parameters}`."""
        return tuple(tool.declaration for tool in self)

    def __iter__(self) -> Iterator[Tool]:
        return iter(tuple(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools


def tools_to_function_declarations(registry: ToolRegistry) -> tuple[JSONObject, ...]:
    """The declarations of all tools of a registry, for `ModelRequest.tools`."""
    return registry.declarations()
