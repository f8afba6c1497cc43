from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.tools import ToolRegistry, execute_tool
from messagedb_agent.tools.builtin.echo import echo


@given(text=st.text(st.characters()))
def test_an_echo_is_the_text_itself(text: str) -> None:
    assert execute_tool(ToolRegistry(echo), "echo", {"text": text}) == text
