from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.tools import Tool, ToolContext, ToolRegistry, execute_tool

Call = Callable[..., Any]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def call(workspace: Path) -> Call:
    """Runs a tool on the workspace just as the engine does."""

    def run(tool: Tool, /, **arguments: Any) -> Any:
        context = ToolContext(workspace=workspace)
        return execute_tool(ToolRegistry(tool), tool.name, arguments, context)

    return run
