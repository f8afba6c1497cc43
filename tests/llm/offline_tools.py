"""Declarations like those of the builtin tools."""

from __future__ import annotations

from typing import Any


def declared(name: str, **parameters: str) -> dict[str, Any]:
    properties = {key: {"type": kind} for key, kind in parameters.items()}
    return {"name": name, "parameters": {"type": "object", "properties": properties}}


TOOLS = (
    declared("calculate", expression="string"),
    declared("get_current_time", timezone="string"),
    declared("echo", text="string"),
    declared("list_files", path="string"),
    declared("read_file", path="string"),
    declared("search_files", query="string", path="string", pattern="string"),
    declared("run_command", argv="array"),
    declared("write_file", path="string", content="string"),
    declared("edit_file", path="string", old="string", new="string"),
    declared("fetch_url", url="string"),
)
