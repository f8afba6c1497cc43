from __future__ import annotations

from typing import Any

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import ToolContext, ToolRegistry, check_call, execute_tool, tool
from messagedb_agent.tools.executor import MAX_ERROR_CHARACTERS

ran: list[int] = []


@tool
def double(number: int) -> int:
    ran.append(number)
    return 2 * number


REGISTRY = ToolRegistry(double)


def failing_with(error: BaseException) -> ToolRegistry:
    @tool
    def fail() -> None:
        raise error

    return ToolRegistry(fail)


def test_a_call_gives_the_result() -> None:
    assert execute_tool(REGISTRY, "double", {"number": 21}) == 42


def test_a_tool_without_a_context_gets_an_empty_one() -> None:
    @tool
    def attempt(context: ToolContext) -> int:
        return context.attempt

    assert execute_tool(ToolRegistry(attempt), "attempt", {}) == 1


def test_no_arguments_count_as_an_empty_object() -> None:
    assert execute_tool(ToolRegistry(tool(name="f")(lambda: "ok")), "f", None) == "ok"


def test_an_unknown_tool_is_told_which_there_are() -> None:
    with pytest.raises(ToolError, match="no tool named 'tripple'; the tools are: double"):
        execute_tool(REGISTRY, "tripple", {})


def test_many_names_and_a_long_one_are_cut_short() -> None:
    registry = ToolRegistry(*(tool(name=f"tool_{n}")(lambda: None) for n in range(200)))

    with pytest.raises(ToolError) as raised:
        execute_tool(registry, "x" * 1_000_000, {})

    assert len(str(raised.value)) < 2_000


@pytest.mark.parametrize("arguments", ['{"number": 2', "", "2", [1], 3, True])
def test_arguments_that_are_no_object_are_told(arguments: Any) -> None:
    with pytest.raises(ToolError, match="have to be a JSON object"):
        execute_tool(REGISTRY, "double", arguments)


def test_wrong_arguments_are_told() -> None:
    with pytest.raises(ToolError, match="Expected `int`, got `str`"):
        execute_tool(REGISTRY, "double", {"number": "2"})


def test_a_tool_error_is_passed_on_as_it_is() -> None:
    with pytest.raises(ToolError, match=r"^no such file$"):
        execute_tool(failing_with(ToolError("no such file")), "fail", {})


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ZeroDivisionError("oops"), "ZeroDivisionError: oops"),
        (KeyError("k"), "KeyError: 'k'"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (RecursionError("deep"), "RecursionError: deep"),
    ],
)
def test_whatever_goes_wrong_in_a_tool_is_told_to_the_model(
    error: BaseException, told: str
) -> None:
    with pytest.raises(ToolError) as raised:
        execute_tool(failing_with(error), "fail", {})

    assert str(raised.value) == told


def test_an_interruption_by_the_user_is_not_the_models_business() -> None:
    with pytest.raises(KeyboardInterrupt):
        execute_tool(failing_with(KeyboardInterrupt()), "fail", {})


@pytest.mark.parametrize("kind", [ToolError, ValueError])
def test_long_errors_are_cut(kind: type[Exception]) -> None:
    with pytest.raises(ToolError) as raised:
        execute_tool(failing_with(kind("x" * 1_000_000)), "fail", {})

    assert len(str(raised.value)) < MAX_ERROR_CHARACTERS + 100


def test_an_error_whose_text_fails_is_still_told() -> None:
    class Nasty(Exception):  # noqa: N818  the name is no matter
        def __str__(self) -> str:
            raise RuntimeError

    with pytest.raises(ToolError, match=r"Nasty: .*has no text"):
        execute_tool(failing_with(Nasty()), "fail", {})


def test_a_check_runs_nothing() -> None:
    before = len(ran)

    assert check_call(REGISTRY, "double", {"number": 2}) is double
    assert len(ran) == before


def test_a_check_complains_as_the_call_would() -> None:
    with pytest.raises(ToolError, match="Expected `int`, got `str`"):
        check_call(REGISTRY, "double", {"number": "2"})
    with pytest.raises(ToolError, match="no tool named"):
        check_call(REGISTRY, "halve", {})
