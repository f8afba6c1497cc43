"""
An MCP server for tests, run as a program: on stdio, or on the port that is its argument.

It counts its starts in the file `starts` in its working folder, if that is writable.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("everything", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def say(text: str) -> str:
    """Say it back."""
    return text


@server.tool()
def look() -> dict[str, Any]:
    """Tell something structured."""
    return {"weather": "rain", "degrees": 11.5}


@server.tool(structured_output=False)
def draw() -> list[Any]:
    """Give a picture with a caption."""
    return ["a dot", Image(data=b"\x89PNG-not-really", format="png")]


@server.tool()
def refuse() -> str:
    """Fail on purpose."""
    raise ToolError("not on a Sunday")


@server.tool()
def wait(seconds: float) -> str:
    """Take a while."""
    time.sleep(seconds)
    return "waited"


@server.tool()
async def climb(steps: int, context: Context[Any, Any]) -> str:
    """Tell each step."""
    for number in range(1, steps + 1):
        await context.report_progress(number, steps, "climbing\nup")
    await context.report_progress(steps)
    return "on top"


@server.tool()
def die() -> str:
    """End the server in the middle of a call."""
    os._exit(3)


@server.tool()
def environment() -> dict[str, str]:
    """Tell all that the server knows of its surroundings."""
    return dict(os.environ)


@server.tool()
def process_id() -> int:
    """Tell which process answers."""
    return os.getpid()


@server.tool()
def header(name: str, context: Context[Any, Any]) -> str:
    """Tell a header of the request; there is none on stdio."""
    headers = context.headers
    return str(headers.get(name)) if headers else ""


@server.tool(name="odd.name/with:signs")
def odd() -> str:
    """Have a name that models do not take."""
    return "odd"


def main() -> None:
    sys.stderr.write("the server writes to its stderr\n")
    with Path("starts").open("a", encoding="utf-8") as file:
        file.write("x")
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")


if __name__ == "__main__":
    main()
