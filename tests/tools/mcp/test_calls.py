"""What a model gets to see of a server, and what its calls give."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent as EngineAgent
from messagedb_agent.errors import ToolError
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.tools import ToolContext, check_call
from messagedb_agent.tools.mcp import McpServers, ToolTerms
from tests.tools.mcp.conftest import PATIENCE_SECONDS, Agent, program


@pytest.fixture(scope="session")
def agent(home: Path) -> Iterator[Agent]:
    """One server for all tests of this file; starting one takes a while."""
    settings = program(
        home,
        env={"GIVEN": "on purpose"},
        timeout=PATIENCE_SECONDS,
        disabled=("die",),
        tools={
            "add": ToolTerms(permission="allow", recovery="retry"),
            "wait": ToolTerms(timeout=0.4),
            "odd.name/with:signs": ToolTerms(permission="deny"),
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DB_PASSWORD", "not for servers")
        patch.setenv("ANTHROPIC_API_KEY", "not for servers")
        with McpServers({"some": settings}, log_folder=home / "logs") as servers:
            yield Agent(servers)


def test_tools_are_named_after_their_server_and_declared_as_it_says(agent: Agent) -> None:
    assert agent.problems == []
    assert list(agent.tools.names) == [
        "some__add",
        "some__climb",
        "some__draw",
        "some__environment",
        "some__header",
        "some__look",
        "some__odd_name_with_signs_bb99f663",
        "some__process_id",
        "some__refuse",
        "some__say",
        "some__wait",
    ]
    declared = EngineAgent(llm=ScriptedModel([]), tools=agent.tools).configuration().tools
    assert declared[0]["description"] == "Add two numbers."
    assert declared[0]["parameters"]["required"] == ["a", "b"]


def test_terms_are_those_of_the_server_unless_the_tool_has_its_own(agent: Agent) -> None:
    terms = {t.name: (t.permission, t.recovery) for t in agent.tools}

    assert terms["some__say"] == ("ask", "fail")
    assert terms["some__add"] == ("allow", "retry")
    assert terms["some__odd_name_with_signs_bb99f663"] == ("deny", "fail")


def test_what_a_server_tells_meanwhile_is_passed_on(agent: Agent) -> None:
    told: list[str] = []
    context = ToolContext(progress=told.append, idempotency_key="a key")

    assert agent.call("some__climb", context, steps=2) == "on top"
    assert told == ["climbing up (1 of 2)", "climbing up (2 of 2)", "2"]


@pytest.mark.parametrize(
    ("tool", "arguments", "result"),
    [
        ("some__add", {"a": 2, "b": 3}, 5),
        ("some__say", {"text": "[1, 2]"}, "[1, 2]"),
        ("some__look", {}, {"weather": "rain", "degrees": 11.5}),
        ("some__draw", {}, "a dot\n[image image/png, 15 bytes, not shown]"),
        ("some__odd_name_with_signs_bb99f663", {}, "odd"),
    ],
)
def test_results_become_json(
    agent: Agent, tool: str, arguments: dict[str, Any], result: object
) -> None:
    assert agent.call(tool, **arguments) == result


def test_what_the_server_calls_an_error_is_told_to_the_model(agent: Agent) -> None:
    with pytest.raises(ToolError, match="not on a Sunday"):
        agent.call("some__refuse")


def test_arguments_that_do_not_fit_never_reach_the_server(agent: Agent) -> None:
    # Nobody is asked to approve such a call, so both the check and the call have to refuse.
    with pytest.raises(ToolError, match=r"^invalid arguments: a: 'two' is not of type 'integer'"):
        check_call(agent.tools, "some__add", {"a": "two", "b": 3})
    with pytest.raises(ToolError, match=r"^invalid arguments: .*'b' is a required property"):
        agent.call("some__add", a=2)


def test_a_slow_call_is_given_up_and_the_server_goes_on(agent: Agent) -> None:
    began = time.monotonic()
    with pytest.raises(ToolError, match=r"^The MCP server some did not answer within 0.4 seconds"):
        agent.call("some__wait", seconds=2)

    assert time.monotonic() - began < 1.9
    assert agent.call("some__add", a=1, b=1) == 2


def test_a_call_is_given_up_when_nobody_waits_for_it(agent: Agent) -> None:
    context = ToolContext(cancelled=threading.Event())
    assert isinstance(context.cancelled, threading.Event)
    context.cancelled.set()

    with pytest.raises(ToolError, match="cancelled"):
        agent.call("some__wait", context, seconds=0.3)


def test_the_environment_of_a_server_is_clean(agent: Agent) -> None:
    environment = agent.call("some__environment")

    assert environment["GIVEN"] == "on purpose"
    assert environment["PATH"] == os.environ["PATH"]
    known = {"GIVEN", "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "TMPDIR", "TZ"}
    assert {n for n in environment if not n.startswith(("LANG", "LC_"))} <= known
    assert "not for servers" not in environment.values()


def test_what_a_server_writes_to_stderr_is_kept_in_a_file(
    agent: Agent, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    agent.call("some__add", a=1, b=1)
    log = home / "logs" / "some.log"

    assert "the server writes to its stderr" in log.read_text(encoding="utf-8")
    assert log.stat().st_mode & 0o077 == 0
    assert capfd.readouterr() == ("", "")
