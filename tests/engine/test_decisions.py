"""What people decide about tool calls, and that it holds only for what they saw."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from messagedb_agent.engine.session import approve, complete, deny, read_state
from messagedb_agent.errors import UsageError
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import tool
from tests.engine.helpers import agent_of, call, calls, go_on, kinds_of, say, violations

Decide = Callable[[MemoryStore, str, CallState], None]

DECISIONS: dict[str, Decide] = {
    "approve": lambda store, stream, pending: approve(store, stream, (pending,)),
    "deny": lambda store, stream, pending: deny(store, stream, (pending,)),
    "complete": lambda store, stream, pending: complete(store, stream, pending, "found"),
}


@tool
def write() -> str:
    """Do what has to be allowed."""
    return "written"


@pytest.mark.parametrize("first", DECISIONS)
@pytest.mark.parametrize("second", DECISIONS)
def test_a_call_is_decided_once(memory: MemoryStore, stream: str, first: str, second: str) -> None:
    agent = agent_of([calls(call("write", "a")), {"text": "done"}], write)
    say(memory, stream, "hi", agent)
    (pending,) = read_state(memory, stream).calls.pending
    DECISIONS[first](memory, stream, pending)
    before = kinds_of(memory, stream)

    with pytest.raises(UsageError, match="somebody else has decided"):
        DECISIONS[second](memory, stream, pending)

    assert kinds_of(memory, stream) == before
    assert go_on(memory, stream, agent).response == "done"
    assert violations(list(memory.read(stream))) == []
