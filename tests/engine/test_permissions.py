"""What has to be asked for never runs unasked, whatever people and crashes do."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.engine.approvals import ApprovalPolicy
from messagedb_agent.engine.session import approve, deny, find_pending, read_state
from messagedb_agent.errors import UsageError
from messagedb_agent.events import (
    ToolApprovalRequested,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionRejected,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.messages import ToolResult
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools import Tool, tool
from tests.engine.helpers import (
    Crash,
    CrashingStore,
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    kinds_of,
    new_stream,
    outcomes,
    say,
    violations,
)


def writer(ran: list[Any], recovery: Any = "ask") -> Tool:
    @tool(permission="ask", recovery=recovery)
    def write(to: str) -> str:
        """Write something somewhere."""
        ran.append(to)
        return f"written to {to}"

    return write


def waiting(memory: MemoryStore, stream: str, ran: list[Any], *made: Any) -> Any:
    """A thread that waits for approval of these calls, and the agent that drives it."""
    model = ScriptedModel([calls(*made), {"text": "done"}])
    agent = agent_of(model, writer(ran))
    assert say(memory, stream, "hi", agent).stop == "waiting"
    return agent


def test_a_call_that_needs_approval_waits_without_running(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    agent = waiting(memory, stream, ran, call("write", "a", to="x"))

    before = memory.version(stream)
    assert go_on(memory, stream, agent).stop == "waiting"
    assert (ran, memory.version(stream)) == ([], before)


def test_an_approved_call_runs_once(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    agent = waiting(memory, stream, ran, call("write", "a", to="x"))
    approve(memory, stream, read_state(memory, stream).calls.pending, approved_by="ann")

    assert go_on(memory, stream, agent).response == "done"
    assert go_on(memory, stream, agent).stop == "done"
    assert ran == ["x"]


def test_a_denied_call_tells_the_model_why(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    agent = waiting(memory, stream, ran, call("write", "a", to="x"))
    deny(memory, stream, read_state(memory, stream).calls.pending, reason="too risky")

    assert go_on(memory, stream, agent).response == "done"
    result = agent.llm.requests[-1].messages[-1]
    assert ran == []
    assert isinstance(result, ToolResult)
    assert "too risky" in result.result


def test_edited_arguments_are_those_that_run(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    agent = waiting(memory, stream, ran, call("write", "a", to="x"))
    pending = read_state(memory, stream).calls.pending
    approve(memory, stream, pending, edited_arguments={"to": "elsewhere"})

    go_on(memory, stream, agent)

    claims = [e for e in events_of(memory, stream) if isinstance(e, ToolExecutionRequested)]
    assert ran == ["elsewhere"]
    assert [claim.arguments for claim in claims] == [{"to": "elsewhere"}]


def test_edited_arguments_that_do_not_fit_run_nothing(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    agent = waiting(memory, stream, ran, call("write", "a", to="x"))
    approve(memory, stream, read_state(memory, stream).calls.pending, edited_arguments={"no": 1})

    assert go_on(memory, stream, agent).response == "done"
    assert ran == []


def test_a_message_does_not_answer_for_a_pending_call(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    agent = waiting(memory, stream, ran, call("write", "a", to="x"))

    assert say(memory, stream, "yes, please do", agent).stop == "waiting"
    assert ran == []


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (ApprovalPolicy(allow_all=True), ["x"]),
        (ApprovalPolicy(allowed=frozenset({"write"})), ["x"]),
        (ApprovalPolicy(allowed=frozenset({"other"})), []),
        (ApprovalPolicy(allow_all=True, denied=frozenset({"write"})), []),
    ],
)
def test_a_run_may_widen_or_narrow_what_is_permitted(
    memory: MemoryStore, stream: str, policy: ApprovalPolicy, expected: list[str]
) -> None:
    ran: list[Any] = []
    model = ScriptedModel([calls(call("write", "a", to="x")), {"text": "done"}])
    say(memory, stream, "hi", agent_of(model, writer(ran), policy=policy))

    assert ran == expected


def test_a_permission_for_everything_ends_with_the_run_that_had_it(
    memory: MemoryStore, stream: str
) -> None:
    ran: list[Any] = []
    write = writer(ran, recovery="retry")
    model = ScriptedModel([calls(call("write", "a", to="x")), {"text": "done"}])
    everything = agent_of(model, write, policy=ApprovalPolicy(allow_all=True))
    with pytest.raises(Crash):
        say(CrashingStore(memory, 2, "before"), stream, "hi", everything)

    assert go_on(memory, stream, agent_of(model, write)).stop == "waiting"
    assert ran == ["x"]


def test_a_beginning_of_an_id_has_to_be_unique(memory: MemoryStore, stream: str) -> None:
    made = (call("write", "aa", to="x"), call("write", "ab", to="y"), call("write", "a", to="z"))
    waiting(memory, stream, [], *made)
    state = read_state(memory, stream)

    assert [found.call.id for found in find_pending(state, "ab")] == ["ab"]
    assert [found.call.id for found in find_pending(state, "a")] == ["a"]
    assert len(find_pending(state, None)) == 3
    for wrong in ("zz", "", "aab"):
        with pytest.raises(UsageError):
            find_pending(state, wrong)


CALL_IDS = st.sampled_from(("a", "b", "zzz"))
ACTIONS = st.one_of(
    st.builds(
        ToolExecutionApproved,
        tool_name=st.sampled_from(("write", "read")),
        tool_call_id=CALL_IDS | st.none(),
        edited_arguments=st.none() | st.just({"to": "edited"}),
        remember=st.sampled_from((None, None, "tool", "arguments")),
    ),
    st.builds(
        ToolExecutionRejected,
        tool_name=st.sampled_from(("write", "read")),
        tool_call_id=CALL_IDS,
    ),
    st.builds(UserMessageAdded, message=st.just("more")),
)

STEP = calls(call("write", "a", to="x"), call("write", "b", to="y"))


@given(
    st.lists(st.tuples(ACTIONS, st.none() | st.integers(0, 3)), max_size=6),
    st.sampled_from(("retry", "fail", "ask")),
)
def test_nothing_runs_that_nobody_approved(
    actions: list[tuple[Event, int | None]], recovery: str
) -> None:
    memory, stream = MemoryStore(), new_stream()
    ran: list[Any] = []
    agent = agent_of(ScriptedModel([STEP], repeat=True), writer(ran, recovery))
    say(memory, stream, "hi", agent)

    for action, dies_at in actions:
        memory.append(stream, [NewEvent(event=action)])
        drive(lambda store: go_on(store, stream, agent), memory, dies_at)

    history = events_of(memory, stream)
    assert violations(list(memory.read(stream))) == []
    assert unapproved(history) == []
    claims = sum(isinstance(event, ToolExecutionRequested) for event in history)
    assert len(ran) <= claims


def drive(run: Callable[[Any], Any], store: MemoryStore, dies_at: int | None) -> None:
    if dies_at is None:
        run(store)
        return
    with suppress(Crash):
        run(CrashingStore(store, dies_at, "after"))


def unapproved(history: list[Event]) -> list[ToolExecutionRequested]:
    """The claims that no approval stands behind, found by a rule much simpler than the engine's."""
    found: list[ToolExecutionRequested] = []
    approved, for_good = set[str | None](), False
    pending: set[str | None] = set()
    for event in history:
        match event:
            case ToolApprovalRequested():
                approved.discard(event.call_id)
                pending.add(event.call_id)
            case ToolExecutionApproved():
                # Without an id it can only have meant the single call that is pending.
                approved |= {event.tool_call_id} if event.tool_call_id else set(pending)
                for_good = for_good or event.remember is not None
            case ToolExecutionRequested() if event.call_id not in approved and not for_good:
                found.append(event)
            case ToolExecutionCompleted():
                approved.discard(event.call_id)
                pending.discard(event.call_id)
    return found


def test_a_remembered_permission_outlives_the_process(memory: MemoryStore, stream: str) -> None:
    ran: list[Any] = []
    step = calls(call("write", "a", to="x"))
    agent = agent_of(ScriptedModel([step, step, {"text": "done"}]), writer(ran))
    say(memory, stream, "hi", agent)
    approve(memory, stream, read_state(memory, stream).calls.pending, remember="tool")

    assert go_on(memory, stream, agent).response == "done"
    assert ran == ["x", "x"]
    assert kinds_of(memory, stream).count("ToolApprovalRequested") == 1
    assert len(outcomes(memory, stream)) == 1
