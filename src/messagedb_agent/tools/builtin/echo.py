"""Say it again."""

from __future__ import annotations

from messagedb_agent.tools.define import tool


@tool(permission="allow", recovery="retry")
def echo(text: str) -> str:
    """
    Return the given text unchanged.

    Args:
        text: The text to return.
    """
    return text
