"""The conversation as the model sees it: in its order, and only growing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events import (
    AgentConfigured,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    ToolCall,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    TurnInterrupted,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.projections import project_to_llm_context
from messagedb_agent.projections.llm_context import LLM_CONTEXT
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    ToolResult,
    UserMessage,
)
from messagedb_agent.testing.histories import histories
from messagedb_agent.testing.scenario import Scenario
from messagedb_agent.testing.scenario import given as after
from messagedb_agent.testing.strategies import events
from tests.events.sameness import same

CLAIMED = LLMCallRequested(model_name="m")
TWO_CALLS = LLMResponseReceived(tool_calls=(ToolCall("a", "look", {}), ToolCall("b", "look", {})))
ANSWERED = LLMResponseReceived(response_text="done")


def said(text: str) -> UserMessageAdded:
    return UserMessageAdded(message=text)


def ran(call_id: str, result: Any = None) -> ToolExecutionCompleted:
    return ToolExecutionCompleted(tool_name="look", result=result, tool_call_id=call_id)


def voices(scenario: Scenario) -> list[str]:
    """Who speaks, and for users and tools what they say."""
    return [told(message) for message in project_to_llm_context(scenario.past)]


def told(message: Message) -> str:
    match message:
        case UserMessage(text=text):
            return text
        case ToolResult(tool_call_id=call_id):
            return f"result {call_id}"
        case _:
            return "assistant"


def requests(history: Sequence[Event]) -> Iterator[list[Message]]:
    """The messages of each request that the history claims."""
    state = LLM_CONTEXT.initial
    for event in history:
        state = LLM_CONTEXT.apply(state, event)
        if isinstance(event, LLMCallRequested):
            yield list(state.messages)


def is_paired(messages: Sequence[Message]) -> bool:
    """Whether each call is directly followed by its result, in call order, and nothing else is."""
    expected: list[ToolCall] = []
    for message in messages:
        if isinstance(message, ToolResult):
            if not expected or message.tool_call_id != expected.pop(0).id:
                return False
        elif expected:
            return False
        elif isinstance(message, AssistantMessage):
            expected = list(message.tool_calls)
    return not expected


@given(histories() | st.lists(events(), max_size=10))
def test_in_each_request_every_call_is_followed_by_its_result(history: list[Event]) -> None:
    assert all(map(is_paired, requests(history)))


@given(histories() | st.lists(events(), max_size=10))
def test_each_request_extends_the_one_before_it(history: list[Event]) -> None:
    sent = list(requests(history))

    for before, now in pairwise(sent):
        assert same(now[: len(before)], before)


@given(histories())
def test_every_message_of_a_user_is_asked_about_once_and_in_order(history: list[Event]) -> None:
    written = [event.message for event in history if isinstance(event, UserMessageAdded)]

    heard = [
        message.text
        for message in project_to_llm_context(history)
        if isinstance(message, UserMessage)
    ]

    assert heard == written


@given(histories())
def test_a_message_after_a_claim_comes_after_what_the_claim_led_to(history: list[Event]) -> None:
    for place, event in enumerate(history):
        if not isinstance(event, UserMessageAdded):
            continue
        before = LLM_CONTEXT.fold(history[:place])
        after_it = LLM_CONTEXT.apply(before, event)
        if before.claimed or before.calls.calls:
            assert list(after_it.messages) == list(before.messages)
            assert after_it.held[-1].text == event.message


@given(histories())
def test_every_result_of_a_tool_reaches_the_model(history: list[Event]) -> None:
    messages = project_to_llm_context(history)
    asked = sum(
        len(message.tool_calls) for message in messages if isinstance(message, AssistantMessage)
    )
    open_calls = len(LLM_CONTEXT.fold(history).calls.calls)

    assert sum(isinstance(message, ToolResult) for message in messages) == asked - open_calls


START = after(SessionStarted(), AgentConfigured(sha256="1"), said("first"))


def test_a_late_message_waits_for_the_answer() -> None:
    history = START.when(CLAIMED, said("late"), ANSWERED)

    assert voices(history) == ["first", "assistant", "late"]


def test_a_late_message_waits_for_all_results_too() -> None:
    history = START.when(
        CLAIMED, TWO_CALLS, said("late"), ran("b"), said("later"), ran("a"), CLAIMED
    )

    assert voices(history) == ["first", "assistant", "result a", "result b", "late", "later"]


def test_results_are_in_the_order_of_the_calls_whichever_came_first() -> None:
    history = START.when(CLAIMED, TWO_CALLS, ran("b", 2), ran("a", 1))

    assert history.folded_by(LLM_CONTEXT).messages[-2:] == [
        ToolResult("a", "look", 1),
        ToolResult("b", "look", 2),
    ]


def test_an_empty_result_is_a_result() -> None:
    history = START.when(CLAIMED, TWO_CALLS, ran("a", None), ran("b", ""))

    assert history.folded_by(LLM_CONTEXT).wants_answer


def test_a_second_outcome_of_a_call_changes_nothing() -> None:
    once = START.when(CLAIMED, TWO_CALLS, ran("a", 1))

    assert once.when(ran("a", 2)).folded_by(LLM_CONTEXT) == once.folded_by(LLM_CONTEXT)


def test_a_failed_and_a_rejected_call_each_tell_the_model_why() -> None:
    history = START.when(
        CLAIMED,
        TWO_CALLS,
        ToolExecutionFailed(tool_name="look", error_message="no such file", tool_call_id="a"),
        ToolExecutionRejected(tool_name="look", reason="too risky", tool_call_id="b"),
    )

    failed, rejected = history.folded_by(LLM_CONTEXT).messages[-2:]

    assert failed == ToolResult("a", "look", "no such file", is_error=True)
    assert isinstance(rejected, ToolResult)
    assert rejected.is_error
    assert "too risky" in rejected.result


def test_a_call_that_is_claimed_again_after_a_crash_sees_the_late_message() -> None:
    history = START.when(CLAIMED, said("late"), CLAIMED)

    assert voices(history) == ["first", "late"]


def test_after_a_failed_attempt_the_late_message_goes_with_the_next_one() -> None:
    history = START.when(CLAIMED, said("late"), LLMCallFailed(retryable=True))

    assert voices(history) == ["first", "late"]
    assert history.folded_by(LLM_CONTEXT).held == ()


def test_an_interrupted_call_leaves_the_message_to_be_answered() -> None:
    history = START.when(CLAIMED, LLMCallFailed(retryable=True), TurnInterrupted())

    assert voices(history) == ["first"]
    assert history.folded_by(LLM_CONTEXT).wants_answer


def test_ids_that_a_model_uses_again_mean_the_latest_call() -> None:
    again = LLMResponseReceived(tool_calls=(ToolCall("a", "look", {}),))
    history = START.when(CLAIMED, again, ran("a", 1), CLAIMED, again, ran("a", 2))

    results = [
        m.result for m in history.folded_by(LLM_CONTEXT).messages if isinstance(m, ToolResult)
    ]

    assert results == [1, 2]


def test_a_claim_of_a_tool_shows_the_model_nothing() -> None:
    before = START.when(CLAIMED, TWO_CALLS)
    claimed = before.when(ToolExecutionRequested(tool_name="look", tool_call_id="a"))

    assert voices(claimed) == voices(before)
