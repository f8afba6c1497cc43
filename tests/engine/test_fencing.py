"""
Two drivers and a user, in every order in which they can meet.

The real engine runs, on a stage that lets one of them through at a time, in the order that a
search chooses; calls of transactional tools have a part of their own. The search tries all
orders in which nobody is held up more than a few times; MESSAGEDB_AGENT_TEST_SWITCHES=99 lifts
that bound, which takes minutes. The drivers do not see each other's lock, as a process that was
stopped and continued does not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.fencing import (
    CLAIMS,
    claims_of,
    model_claim,
    takes_messages,
    tool_claim,
)
from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.engine.session import add_message, start_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.travel import rewind_thread
from messagedb_agent.errors import ClaimLostError
from messagedb_agent.events import (
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionCompleted,
    ThreadRewound,
    ToolApprovalRequested,
    ToolCall,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    TurnInterrupted,
    UnknownEvent,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.base import EventStore, NewEvent
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.store.wrapper import StoreWrapper
from messagedb_agent.tools import ToolContext, tool
from tests.engine.helpers import (
    agent_of,
    call,
    calls,
    events_of,
    go_on,
    is_answered,
    say,
    violations,
)
from tests.engine.stage import Actor, Search, Stage, Transaction, tools_on_stage

__all__ = ["tools_on_stage"]

SWITCHES = int(os.environ.get("MESSAGEDB_AGENT_TEST_SWITCHES", "0"))


@tool(permission="allow", recovery="retry")
def look(at: str) -> str:
    """Look at something."""
    return f"seen {at}"


TALK = [{"text": "one"}, {"text": "two"}, {"text": "three"}]
WORK = [calls(call("look", "a", at="x")), *TALK]


def driver(agent: Agent, stream: str) -> Actor:
    def drive(store: EventStore) -> None:
        with AgentThread(store, stream) as thread:
            thread.run(agent)

    return drive


def user(stream: str) -> Actor:
    def speak(store: EventStore) -> None:
        new = NewEvent(event=UserMessageAdded(message="late"))
        store.append(stream, [new])

    return speak


@pytest.mark.parametrize(
    ("script", "switches", "at_least"),
    [(TALK, SWITCHES or 4, 500), (WORK, SWITCHES or 2, 100)],
    ids=["an answer", "a tool and an answer"],
)
def test_in_no_order_do_two_drivers_and_a_user_spoil_a_history(
    script: list[Any], switches: int, at_least: int
) -> None:
    orders = 0
    for choose in Search(switches).orders():
        orders += 1
        store = MemoryStore()
        stream = f"engine:v0-{start_session(store, 'first', category='engine')}"
        stage = Stage(store, choose)
        agent = agent_of(script, look)
        stage.play([driver(agent, stream), driver(agent, stream), user(stream)])

        assert stage.errors == []
        assert violations(list(store.read(stream))) == []
        # Whoever comes next finds nothing that it can't finish.
        go_on(store, stream, agent)
        history = list(store.read(stream))
        assert violations(history) == []
        assert is_answered(events_of(store, stream))
        results = [e for e in events_of(store, stream) if isinstance(e, ToolExecutionCompleted)]
        assert len(results) == len(script) - len(TALK)
    assert orders >= at_least


@tool(permission="allow", transactional=True)
def book(context: ToolContext) -> str:
    """Do something that counts once it is committed."""
    connection: object = context.connection
    assert isinstance(connection, Transaction)
    connection.effects.append(context.tool_call_id)
    return "booked"


@pytest.mark.usefixtures("tools_on_stage")
@pytest.mark.parametrize(
    ("made", "others", "switches", "at_least"),
    [(["book"], (user,), SWITCHES or 2, 500), (["book", "look"], (), SWITCHES or 1, 100)],
    ids=["a call", "a call beside another"],
)
def test_in_no_order_is_a_transactional_call_done_twice_or_in_vain(
    made: list[str], others: Sequence[Callable[[str], Actor]], switches: int, at_least: int
) -> None:
    arguments = {"book": {}, "look": {"at": "x"}}
    script = [calls(*(call(name, name, **arguments[name]) for name in made)), *TALK]
    orders = 0
    for choose in Search(switches).orders():
        orders += 1
        store = MemoryStore()
        stream = f"engine:v0-{start_session(store, 'first', category='engine')}"
        stage = Stage(store, choose)
        agent = agent_of(script, look, book)
        drivers = [driver(agent, stream), driver(agent, stream)]
        stage.play([*drivers, *(other(stream) for other in others)])

        assert stage.errors == []
        assert violations(list(store.read(stream))) == []
        results = [e for e in events_of(store, stream) if isinstance(e, ToolExecutionCompleted)]
        assert stage.effects == [e.call_id for e in results if e.tool_name == "book"]
    assert orders >= at_least


ASKED = UserMessageAdded(message="hi")
CLAIMED = LLMCallRequested()
CALLS = LLMResponseReceived(tool_calls=(ToolCall("a", "look", {}), ToolCall("b", "look", {})))
RUN_A = ToolExecutionRequested(tool_name="look", tool_call_id="a")
RUN_B = ToolExecutionRequested(tool_name="look", tool_call_id="b")
DONE_A = ToolExecutionCompleted(tool_name="look", tool_call_id="a")
DONE_B = ToolExecutionCompleted(tool_name="look", tool_call_id="b")

PASSING_BY = (
    ASKED,
    UnknownEvent(type_name="Surprise"),
    ToolApprovalRequested(tool_name="look", tool_call_id="b"),
)


@given(st.lists(st.sampled_from(PASSING_BY), max_size=4))
def test_what_others_add_never_takes_a_claim_away(passing: list[Event]) -> None:
    asked = THREAD_STATE.fold([ASKED, CLAIMED])
    working = THREAD_STATE.fold([ASKED, CLAIMED, CALLS, RUN_A])

    assert model_claim(asked)(THREAD_STATE.fold(passing, start=asked))
    assert tool_claim(working, "a")(THREAD_STATE.fold(passing, start=working))


@pytest.mark.parametrize("since", [(CLAIMED,), (CALLS,), (LLMResponseReceived(), ASKED, CLAIMED)])
def test_a_newer_claim_or_an_answer_takes_the_claim_of_a_model_call(
    since: tuple[Event, ...],
) -> None:
    mine = THREAD_STATE.fold([ASKED, CLAIMED])

    assert not model_claim(mine)(THREAD_STATE.fold(since, start=mine))


@pytest.mark.parametrize(
    ("since", "stands"),
    [
        ((), True),
        ((RUN_B, DONE_B), True),
        ((RUN_A,), False),
        ((DONE_A,), False),
        ((DONE_A, DONE_B, CLAIMED, CALLS, RUN_A), False),
        ((CLAIMED, CALLS), False),
    ],
)
def test_the_claim_of_a_tool_call_is_taken_by_its_own_like_only(
    since: tuple[Event, ...], stands: bool
) -> None:
    mine = THREAD_STATE.fold([ASKED, CLAIMED, CALLS, RUN_A])

    assert tool_claim(mine, "a")(THREAD_STATE.fold(since, start=mine)) is stands


SINCE = (
    *PASSING_BY, CLAIMED, CALLS, LLMResponseReceived(), LLMCallFailed(error_message="no"),
    RUN_A, RUN_B, DONE_A, DONE_B, ToolExecutionFailed(tool_name="look", tool_call_id="a"),
    ToolExecutionRejected(tool_call_id="a"), TurnInterrupted(), SessionCompleted(),
)  # fmt: skip


@given(st.lists(st.sampled_from(SINCE), max_size=6))
def test_what_a_transaction_folds_says_the_same_of_a_claim_as_the_whole_state(
    since: list[Event],
) -> None:
    mine = THREAD_STATE.fold([ASKED, CLAIMED, CALLS, RUN_A])
    stands = tool_claim(mine, "a")

    newest = CLAIMS.fold(since, start=claims_of(mine))
    assert stands(newest) is stands(THREAD_STATE.fold(since, start=mine))


def test_a_history_that_was_left_behind_takes_the_claims_in_it_along() -> None:
    mine = THREAD_STATE.fold([ASKED, CLAIMED, CALLS, RUN_A])

    newest = CLAIMS.fold([ThreadRewound(to_position=2, claims=1)], start=claims_of(mine))
    assert not tool_claim(mine, "a")(newest)
    # Not even when a call has been claimed as often again.
    assert not tool_claim(mine, "a")(CLAIMS.fold([RUN_A], start=newest))


INTERRUPTED = (LLMCallFailed(retryable=True), TurnInterrupted())


def left_behind(store: EventStore, stream: str, end: Sequence[Event], to: int, *new: Event) -> None:
    """Another process ends the turn, rewinds the thread, and begins the step anew."""
    store.append(stream, [NewEvent(event=event) for event in end])
    rewind_thread(store, stream, to)
    store.append(stream, [NewEvent(event=event) for event in new])


def test_an_answer_from_a_history_that_was_left_behind_is_dropped(
    memory: MemoryStore, stream: str
) -> None:
    class Overtaken(ScriptedModel):
        def complete(self, request: ModelRequest, **more: Any) -> Completion:
            left_behind(memory, stream, INTERRUPTED, 1, CLAIMED)
            return super().complete(request, **more)

    with pytest.raises(ClaimLostError):
        say(memory, stream, "hi", agent_of(Overtaken(TALK)))

    assert events_of(memory, stream)[-1] == CLAIMED


def test_a_result_from_a_history_that_was_left_behind_is_dropped(
    memory: MemoryStore, stream: str
) -> None:
    @tool(permission="allow", name="look")
    def overtaken() -> str:
        """Look while another process takes the call over, in another history."""
        failed = ToolExecutionFailed(tool_name="look", tool_call_id="a")
        left_behind(memory, stream, [failed, TurnInterrupted()], 4, RUN_A)
        return "too late"

    with pytest.raises(ClaimLostError):
        say(memory, stream, "hi", agent_of([calls(call("look", "a")), *TALK], overtaken))

    assert events_of(memory, stream)[-1] == RUN_A


def test_a_call_that_is_made_again_in_another_history_is_another_call(
    memory: MemoryStore, stream: str
) -> None:
    keys = []

    @tool(permission="allow", name="look")
    def noted(context: ToolContext) -> None:
        """Note the key."""
        keys.append(context.idempotency_key)

    agent = agent_of([calls(call("look", "a")), {"text": "done"}], noted)
    say(memory, stream, "hi", agent)
    for _ in range(2):
        rewind_thread(memory, stream, 1)
        go_on(memory, stream, agent)

    assert len(set(keys)) == 3


def recorder_of(store: EventStore, stream: str) -> Recorder:
    recorder = Recorder(store, stream)
    recorder.catch_up()
    return recorder


def test_facts_are_recorded_over_what_came_between(memory: MemoryStore, stream: str) -> None:
    recorder = recorder_of(memory, stream)
    recorder.conclude([ASKED], takes_messages)
    memory.append(stream, [NewEvent(event=UnknownEvent(type_name="Surprise"))])

    assert recorder.flush()
    assert events_of(memory, stream)[-1] == ASKED
    assert recorder.version == memory.version(stream) == 1


def test_intentions_are_dropped_when_something_came_between(
    memory: MemoryStore, stream: str
) -> None:
    recorder = recorder_of(memory, stream)
    recorder.conclude([ASKED], takes_messages)
    recorder.intend([CLAIMED])
    memory.append(stream, [NewEvent(event=UnknownEvent(type_name="Surprise"))])

    assert not recorder.flush()
    assert events_of(memory, stream)[1:] == [ASKED]
    assert not recorder.state.turn.claimed


def test_facts_whose_fence_has_fallen_are_refused(memory: MemoryStore, stream: str) -> None:
    recorder = recorder_of(memory, stream)
    recorder.conclude([ASKED], takes_messages)
    memory.append(stream, [NewEvent(event=SessionCompleted())])

    with pytest.raises(ClaimLostError):
        recorder.flush()

    assert events_of(memory, stream) == [SessionCompleted()]


def test_facts_whose_fence_fell_before_they_were_told_are_refused(
    memory: MemoryStore, stream: str
) -> None:
    recorder = recorder_of(memory, stream)
    memory.append(stream, [NewEvent(event=SessionCompleted())])
    recorder.catch_up()

    with pytest.raises(ClaimLostError):
        recorder.conclude([ASKED], takes_messages)


def test_of_facts_with_different_fences_each_has_to_stand(memory: MemoryStore, stream: str) -> None:
    recorder = recorder_of(memory, stream)
    recorder.conclude([ASKED], takes_messages)
    recorder.conclude([ASKED], lambda _state: True)
    memory.append(stream, [NewEvent(event=SessionCompleted())])

    with pytest.raises(ClaimLostError):
        recorder.flush()

    assert events_of(memory, stream) == [SessionCompleted()]


def test_a_write_that_was_made_but_not_confirmed_is_not_made_again(
    memory: MemoryStore, stream: str
) -> None:
    class Unsure(StoreWrapper[MemoryStore]):
        def append(self, *arguments: Any, **more: Any) -> tuple[RecordedEvent, ...]:
            super().append(*arguments, **more)
            raise TimeoutError

    recorder = recorder_of(Unsure(memory), stream)
    recorder.conclude([ASKED], takes_messages)
    with suppress(TimeoutError):
        recorder.flush()
    recorder._store = memory

    assert recorder.flush()
    assert events_of(memory, stream) == [ASKED]


def test_every_event_is_observed_once_however_often_it_was_tried(
    memory: MemoryStore, stream: str
) -> None:
    seen: list[RecordedEvent] = []
    recorder = Recorder(memory, stream, [seen.append])
    recorder.conclude([ASKED], takes_messages)
    add = UnknownEvent(type_name="Surprise")
    memory.append(stream, [NewEvent(event=add)])
    recorder.flush()
    add_message(memory, stream, "more")
    recorder.catch_up()
    recorder.catch_up()

    assert seen == list(memory.read(stream))
