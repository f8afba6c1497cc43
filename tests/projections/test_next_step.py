"""What comes next is told by the whole history, never by its last event alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events import (
    AgentConfigured,
    ErrorOccurred,
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    SessionTerminationRequested,
    ThreadRenamed,
    ThreadReopened,
    ToolApprovalRequested,
    ToolCall,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    TurnInterrupted,
    TurnInterruptRequested,
    TurnResumed,
    UnknownEvent,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.projections import (
    StepType,
    project_to_next_step,
    project_to_tool_arguments,
)
from messagedb_agent.projections.next_step import (
    CallModel,
    Decider,
    Decision,
    Permission,
    ProbeTools,
    Record,
    RecoveryChoice,
    RunTools,
    Stop,
    answer_with,
    decide,
    report_the_ending,
    rest_when_ended,
    rest_when_halted,
    settle_tools,
    stop_when_asked,
)
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.testing.histories import CONFIGURATION, DECIDERS, histories
from messagedb_agent.testing.scenario import Scenario
from messagedb_agent.testing.scenario import given as after

STARTED = SessionStarted(thread_id="t")
ASKED = UserMessageAdded(message="hi")
CLAIMED = LLMCallRequested(model_name="m")
ANSWERED = LLMResponseReceived(response_text="done")
LOOK = LLMResponseReceived(tool_calls=(ToolCall("a", "look", {"at": "x"}),))
WRITE = LLMResponseReceived(tool_calls=(ToolCall("a", "write", {"to": "x"}),))
BOTH = LLMResponseReceived(tool_calls=(ToolCall("a", "look", {}), ToolCall("b", "write", {})))
REQUESTED = ToolExecutionRequested(tool_name="look", tool_call_id="a")
COMPLETED = ToolExecutionCompleted(tool_name="look", tool_call_id="a", result=1)
PENDING = ToolApprovalRequested(tool_name="write", tool_call_id="a")
APPROVED = ToolExecutionApproved(tool_name="write", tool_call_id="a")

ANSWERABLE = after(STARTED, CONFIGURATION, ASKED)


def deciders(
    permission: Permission = "allow", recovery: RecoveryChoice = "retry"
) -> tuple[Decider, ...]:
    return (
        rest_when_ended,
        stop_when_asked,
        rest_when_halted,
        settle_tools(lambda _call: permission, lambda _call: recovery),
        answer_with(CONFIGURATION),
        report_the_ending,
    )


def kind(decision: Decision) -> object:
    """A decision in short."""
    match decision:
        case RunTools(calls=calls):
            return ("run", *(call.call.id for call in calls))
        case ProbeTools(calls=calls):
            return ("probe", *(call.call.id for call in calls))
        case Record(events=events):
            return ("record", *(type(event).__name__ for event in events))
        case CallModel(attempt=attempt):
            return ("call", attempt)
        case Stop(reason=reason):
            return reason
    raise AssertionError(decision)


TURN: tuple[tuple[Event, object], ...] = (
    (STARTED, "done"),
    (ASKED, ("record", "AgentConfigured")),
    (CONFIGURATION, ("call", 1)),
    (CLAIMED, ("call", 1)),
    (BOTH, ("run", "a", "b")),
    (REQUESTED, ("run", "a", "b")),
    (COMPLETED, ("run", "b")),
    (ToolExecutionRequested(tool_name="write", tool_call_id="b"), ("run", "b")),
    (ToolExecutionFailed(tool_name="write", tool_call_id="b"), ("call", 1)),
    (CLAIMED, ("call", 1)),
    (LLMCallFailed(retryable=True), ("call", 2)),
    (LLMCallRequested(attempt=2), ("call", 2)),
    (ANSWERED, "done"),
    (SessionTerminationRequested(), ("record", "SessionCompleted")),
    (SessionCompleted(), "ended"),
)
PAST_AND_NEXT = [
    ([event for event, _ in TURN[: place + 1]], expected)
    for place, (_, expected) in enumerate(TURN)
]

ASIDES: tuple[tuple[Event, ...], ...] = (
    (),
    (UnknownEvent(type_name="Surprise", data={"message": "hi"}),),
    (ThreadRenamed(title="new"), ErrorOccurred(error_type="E", error_message="m")),
    (ToolExecutionCompleted(tool_name="look", tool_call_id="zzz"),),
    (ToolExecutionApproved(tool_name="other", tool_call_id="zzz"),),
)


@pytest.mark.parametrize(
    "aside", ASIDES, ids=lambda aside: "+".join(type(e).__name__ for e in aside)
)
@pytest.mark.parametrize(("past", "expected"), PAST_AND_NEXT)
def test_a_process_that_finds_any_part_of_a_turn_knows_what_comes_next(
    past: list[Event], expected: object, aside: tuple[Event, ...]
) -> None:
    assert kind(after(*past, *aside).decided_by(deciders())) == expected


@pytest.mark.parametrize(("past", "expected"), PAST_AND_NEXT[2:-2])
def test_a_late_message_is_answered_after_what_is_open(past: list[Event], expected: Any) -> None:
    late = after(*past).when(UserMessageAdded(message="late"))

    if expected == "done":
        assert kind(late.decided_by(deciders())) == ("call", 1)
    elif expected[0] == "call":
        # A new message begins the count of attempts anew.
        assert kind(late.decided_by(deciders())) == ("call", 1)
    else:
        assert kind(late.decided_by(deciders())) == expected


def test_a_new_configuration_is_recorded_before_it_is_used() -> None:
    changed = AgentConfigured(model_name="other", sha256="2")
    history = ANSWERABLE.when(CLAIMED, ANSWERED, ASKED)

    history.then_decides([answer_with(changed)], Record((changed,)))
    history.when(changed).then_decides([answer_with(changed)], CallModel(attempt=1))


def test_what_may_run_runs_before_anybody_is_waited_for() -> None:
    history = ANSWERABLE.when(CLAIMED, BOTH)
    asking = history.when(ToolApprovalRequested(tool_name="write", tool_call_id="b"))

    assert kind(history.decided_by(DECIDERS)) == ("record", "ToolApprovalRequested")
    assert kind(asking.decided_by(DECIDERS)) == ("run", "a")
    assert kind(asking.when(COMPLETED).decided_by(DECIDERS)) == "waiting"


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (APPROVED, ("run", "a")),
        (ToolExecutionApproved(tool_name="write"), ("run", "a")),
        (ToolExecutionRejected(tool_name="write", tool_call_id="a"), ("call", 1)),
        (ToolExecutionRejected(tool_name="write"), ("call", 1)),
        (ToolExecutionApproved(tool_name="write", tool_call_id="b"), "waiting"),
        (ToolExecutionApproved(tool_name="look"), "waiting"),
        (ToolExecutionRejected(tool_name="look", tool_call_id="zzz"), "waiting"),
        (UserMessageAdded(message="well?"), "waiting"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_pending_call_waits_for_a_decision_about_itself(
    decision: Event, expected: object
) -> None:
    history = ANSWERABLE.when(CLAIMED, WRITE, PENDING, decision)

    assert kind(history.decided_by(deciders("ask"))) == expected


def test_an_approval_without_an_id_that_could_mean_two_calls_means_none() -> None:
    twice = LLMResponseReceived(
        tool_calls=(ToolCall("a", "write", {"to": "x"}), ToolCall("b", "write", {"to": "y"}))
    )
    history = ANSWERABLE.when(
        CLAIMED,
        twice,
        PENDING,
        ToolApprovalRequested(tool_name="write", tool_call_id="b"),
        ToolExecutionApproved(tool_name="write"),
    )

    assert kind(history.decided_by(deciders("ask"))) == "waiting"


def test_an_approval_is_for_one_call_and_not_for_the_next_one_of_the_tool() -> None:
    history = ANSWERABLE.when(
        CLAIMED,
        WRITE,
        PENDING,
        APPROVED,
        ToolExecutionRequested(tool_name="write", tool_call_id="a"),
        ToolExecutionCompleted(tool_name="write", tool_call_id="a"),
        CLAIMED,
        WRITE,
    )

    assert kind(history.decided_by(deciders("ask"))) == ("record", "ToolApprovalRequested")


@pytest.mark.parametrize(
    ("remember", "arguments", "expected"),
    [
        ("tool", {"to": "y"}, "run"),
        ("arguments", {"to": "x"}, "run"),
        ("arguments", {"to": "y"}, "record"),
        ("for ever", {"to": "x"}, "record"),
        (None, {"to": "x"}, "record"),
    ],
)
def test_a_remembered_approval_reaches_as_far_as_it_says(
    remember: str | None, arguments: Any, expected: str
) -> None:
    history = ANSWERABLE.when(
        CLAIMED,
        WRITE,
        PENDING,
        ToolExecutionApproved(tool_name="write", tool_call_id="a", remember=remember),
        ToolExecutionCompleted(tool_name="write", tool_call_id="a"),
        CLAIMED,
        LLMResponseReceived(tool_calls=(ToolCall("a", "write", arguments),)),
    )

    decision = kind(history.decided_by(deciders("ask")))

    assert isinstance(decision, tuple)
    assert decision[0] == expected


@pytest.mark.parametrize("other", [True, 1.0, "1"])
def test_arguments_that_only_look_equal_are_not_the_remembered_ones(other: Any) -> None:
    def write(arguments: Any) -> LLMResponseReceived:
        return LLMResponseReceived(tool_calls=(ToolCall("a", "write", arguments),))

    history = ANSWERABLE.when(
        CLAIMED,
        write({"force": 1}),
        PENDING,
        ToolExecutionApproved(tool_name="write", tool_call_id="a", remember="arguments"),
        ToolExecutionCompleted(tool_name="write", tool_call_id="a"),
        CLAIMED,
        write({"force": other}),
    )

    assert kind(history.decided_by(deciders("ask"))) == ("record", "ToolApprovalRequested")


def test_edited_arguments_are_those_that_run_and_that_are_remembered() -> None:
    edited = ToolExecutionApproved(
        tool_name="write", tool_call_id="a", edited_arguments={"to": "z"}, remember="arguments"
    )
    history = ANSWERABLE.when(CLAIMED, WRITE, PENDING, edited)

    assert project_to_tool_arguments(history.past) == (
        {"id": "a", "name": "write", "arguments": {"to": "z"}},
    )
    again = history.when(
        ToolExecutionCompleted(tool_name="write", tool_call_id="a"), CLAIMED, WRITE
    )
    assert kind(again.decided_by(deciders("ask"))) == ("record", "ToolApprovalRequested")


INTERRUPTED = ANSWERABLE.when(CLAIMED, LOOK, REQUESTED)


@pytest.mark.parametrize(
    ("recovery", "expected"),
    [
        ("retry", ("run", "a")),
        ("fail", ("record", "ToolExecutionFailed")),
        ("ask", ("record", "ToolApprovalRequested")),
        ("probe", ("probe", "a")),
    ],
)
def test_an_interrupted_call_goes_by_its_recovery(recovery: Any, expected: object) -> None:
    assert kind(INTERRUPTED.decided_by(deciders("allow", recovery))) == expected


def test_an_approved_rerun_that_is_interrupted_again_is_asked_about_again() -> None:
    once = INTERRUPTED.when(
        ToolApprovalRequested(tool_name="look", tool_call_id="a"),
        ToolExecutionApproved(tool_name="look", tool_call_id="a"),
    )
    twice = once.when(ToolExecutionRequested(tool_name="look", tool_call_id="a", attempt=2))

    assert kind(once.decided_by(deciders("allow", "ask"))) == ("run", "a")
    assert kind(twice.decided_by(deciders("allow", "ask"))) == ("record", "ToolApprovalRequested")


@pytest.mark.parametrize("recovery", ["retry", "ask", "fail", "probe"])
def test_a_forbidden_tool_does_not_run_again_after_an_interruption(recovery: Any) -> None:
    assert kind(INTERRUPTED.decided_by(deciders("deny", recovery))) == (
        "record",
        "ToolExecutionFailed",
    )


def test_a_forbidden_tool_does_not_run_for_an_approval_either() -> None:
    history = ANSWERABLE.when(CLAIMED, WRITE, PENDING, APPROVED)

    assert kind(history.decided_by(deciders("deny"))) == ("record", "ToolExecutionFailed")


def test_a_retry_that_nobody_allowed_is_asked_about() -> None:
    # The first attempt ran because that run allowed everything; this one does not.
    assert kind(INTERRUPTED.decided_by(deciders("ask", "retry"))) == (
        "record",
        "ToolApprovalRequested",
    )


def test_a_retry_of_an_approved_call_needs_no_second_approval() -> None:
    history = ANSWERABLE.when(
        CLAIMED,
        WRITE,
        PENDING,
        APPROVED,
        ToolExecutionRequested(tool_name="write", tool_call_id="a"),
    )

    assert kind(history.decided_by(deciders("ask", "retry"))) == ("run", "a")


HALTS: tuple[tuple[Event, str], ...] = (
    (TurnInterrupted(), "interrupted"),
    (LLMCallFailed(retryable=False), "failed"),
    (LLMCallFailed(), "failed"),
    (LimitReached(limit="max_steps", value=1, maximum=1), "limit"),
)


@pytest.mark.parametrize(("halt", "reason"), HALTS, ids=[reason for _, reason in HALTS])
def test_a_halted_turn_rests_until_somebody_resumes_it_or_says_something(
    halt: Event, reason: str
) -> None:
    history = ANSWERABLE.when(CLAIMED, halt)

    assert kind(history.decided_by(deciders())) == reason
    assert kind(history.when(ASIDES[1][0]).decided_by(deciders())) == reason
    assert kind(history.when(TurnResumed()).decided_by(deciders())) == ("call", 1)
    assert kind(history.when(ASKED).decided_by(deciders())) == ("call", 1)


def test_a_turn_that_is_asked_to_stop_ends_every_open_step() -> None:
    history = ANSWERABLE.when(CLAIMED, LOOK, REQUESTED, TurnInterruptRequested())

    assert kind(history.decided_by(deciders())) == (
        "record",
        "ToolExecutionFailed",
        "TurnInterrupted",
    )


def test_a_request_to_stop_that_comes_too_late_stops_nothing() -> None:
    history = ANSWERABLE.when(CLAIMED, ANSWERED, TurnInterruptRequested())

    assert kind(history.decided_by(deciders())) == "done"
    assert kind(history.when(ASKED).decided_by(deciders())) == ("call", 1)


@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "done"),
        ("max_tokens", "truncated"),
        ("context_window", "truncated"),
        ("refusal", "refused"),
        ("safety", "refused"),
        ("pause", ("call", 1)),
        (None, "done"),
        ("unheard of", "done"),
    ],
)
def test_how_an_answer_ended_is_how_the_turn_ends(
    stop_reason: str | None, expected: object
) -> None:
    answer = LLMResponseReceived(response_text="so", stop_reason=stop_reason)

    assert kind(ANSWERABLE.when(CLAIMED, answer).decided_by(deciders())) == expected


def test_a_reopened_thread_goes_on() -> None:
    ended = ANSWERABLE.when(SessionTerminationRequested(), SessionCompleted())

    assert kind(ended.when(ASKED).decided_by(deciders())) == "ended"
    assert kind(ended.when(ThreadReopened()).decided_by(deciders())) == ("call", 1)


@given(histories())
def test_the_seeds_next_step_agrees_with_the_deciders(history: list[Event]) -> None:
    state = THREAD_STATE.fold(history)
    decision = decide(state, deciders())
    step = project_to_next_step(history)

    if isinstance(decision, RunTools):
        assert step is StepType.TOOL_EXECUTION
    if isinstance(decision, CallModel):
        assert step is StepType.LLM_CALL
    if decision == Stop("waiting"):
        assert step is StepType.APPROVAL


@given(histories(), st.data())
def test_a_decision_to_rest_stands_until_something_happens(
    history: list[Event], data: st.DataObject
) -> None:
    scenario = Scenario(tuple(history))
    decision = scenario.decided_by(DECIDERS)

    if isinstance(decision, Record):
        # What is recorded settles what made it necessary: nothing is recorded twice.
        assert scenario.when(*decision.events).decided_by(DECIDERS) != decision
