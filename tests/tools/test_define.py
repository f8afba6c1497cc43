from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import Tool, ToolContext, tool


@tool
def greet(name: str, times: int = 1) -> str:
    """
    Say hello.

    Args:
        name: To whom.
    """
    return f"hello {name} " * times


def test_a_bare_decorator_takes_everything_from_the_function() -> None:
    assert isinstance(greet, Tool)
    assert (greet.name, greet.description) == ("greet", "Say hello.")
    assert greet.declaration["parameters"]["properties"]["name"]["description"] == "To whom."


def test_a_tool_asks_and_is_not_repeated_unless_told_otherwise() -> None:
    assert (greet.permission, greet.recovery, greet.timeout) == ("ask", "fail", 60.0)


def test_terms_can_be_given() -> None:
    @tool(name="hi-there", description="Hi.", permission="allow", recovery="retry", timeout=1.5)
    def function() -> None: ...

    assert (function.name, function.description) == ("hi-there", "Hi.")
    assert (function.permission, function.recovery, function.timeout) == ("allow", "retry", 1.5)


def test_a_tool_is_still_the_plain_function() -> None:
    assert greet("you", times=2) == "hello you hello you "


def test_calling_a_tool_that_was_not_made_from_a_function_is_refused() -> None:
    remote = Tool(name="remote", description="", parameters={}, call=lambda _a, _c: None)

    with pytest.raises(TypeError, match="not made from a function"):
        remote()


def test_calls_by_the_model_are_validated() -> None:
    with pytest.raises(ToolError, match="Expected `str`, got `int`"):
        greet.call({"name": 3}, ToolContext())


def test_the_context_is_passed_to_the_parameter_that_wants_it() -> None:
    @tool
    def whoami(where: ToolContext) -> str:
        return where.thread_id

    assert whoami.call({}, ToolContext(thread_id="t1")) == "t1"


def test_an_optional_context_is_passed_too() -> None:
    @tool
    def whoami(context: ToolContext | None = None) -> str:
        return context.thread_id if context else "nobody"

    assert whoami.call({}, ToolContext(thread_id="t1")) == "t1"
    assert whoami() == "nobody"


def test_a_transactional_tool_may_be_repeated_since_it_rolled_back() -> None:
    @tool(transactional=True)
    def book(context: ToolContext) -> None: ...

    assert book.recovery == "retry"


def look(_arguments: Any, _context: ToolContext) -> str:
    return "seen"


def test_a_probe_goes_with_its_recovery() -> None:
    @tool(recovery="probe", probe=look)
    def act() -> None: ...

    assert act.probe is look


def without_context(value: int) -> None: ...


@pytest.mark.parametrize(
    ("terms", "complaint"),
    [
        ({"recovery": "probe"}, "needs a probe"),
        ({"probe": look}, "needs recovery"),
        ({"transactional": True}, "needs a ToolContext parameter"),
        ({"timeout": 0}, "more than 0 seconds"),
        ({"timeout": float("nan")}, "more than 0 seconds"),
        ({"permission": "maybe"}, "permission 'maybe'"),
        ({"recovery": "hope"}, "recovery 'hope'"),
        ({"name": ""}, "tool name ''"),
        ({"name": "1st"}, "tool name '1st'"),
        ({"name": "a b"}, "tool name 'a b'"),
        ({"name": "a" * 65}, "tool name"),
        ({"name": "a\n"}, "tool name"),
    ],
)
def test_terms_that_do_not_go_together_are_refused(terms: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        tool(**terms)(without_context)


def test_methods_of_an_object_can_be_tools() -> None:
    class Shop:
        stock = 3

        def count(self, add: int) -> int:
            return self.stock + add

    assert tool(Shop().count).call({"add": 2}, ToolContext()) == 5
