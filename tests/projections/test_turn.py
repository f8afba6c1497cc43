"""How far the running turn is."""

from __future__ import annotations

from typing import Any

from messagedb_agent.events import (
    LLMCallRequested,
    LLMResponseReceived,
    ThreadRewound,
    ToolCall,
    UserMessageAdded,
)
from messagedb_agent.projections.turn import TURN, Turn


def asks(*calls: tuple[str, str, Any], tokens: int = 0) -> LLMResponseReceived:
    return LLMResponseReceived(
        tool_calls=tuple(ToolCall(*call) for call in calls), token_usage={"total_tokens": tokens}
    )


def after(*events: LLMResponseReceived | UserMessageAdded) -> Turn:
    return TURN.fold(events)


def test_the_same_calls_again_are_a_repeat_whatever_their_ids() -> None:
    assert after(asks(("1", "look", {"x": 1})), asks(("2", "look", {"x": 1}))).repeats == 1


def test_other_arguments_another_tool_or_more_calls_are_none() -> None:
    first = asks(("1", "look", {"x": 1}))

    assert after(first, asks(("2", "look", {"x": 2}))).repeats == 0
    assert after(first, asks(("2", "see", {"x": 1}))).repeats == 0
    assert after(first, asks(("2", "look", {"x": 1}), ("3", "look", {"x": 1}))).repeats == 0


def test_answers_without_calls_never_repeat_each_other() -> None:
    assert after(asks(), asks(), asks()).repeats == 0


def test_the_tokens_of_a_turn_are_those_of_its_answers() -> None:
    assert after(asks(tokens=3), asks(tokens=4)).tokens == 7
    assert after(asks(tokens=3), UserMessageAdded(message="more"), asks(tokens=4)).tokens == 4


def test_claims_are_counted_on_after_a_rewind() -> None:
    kept = TURN.fold([LLMCallRequested(), ThreadRewound(to_position=0, claims=7)])

    assert kept.claims == 8
    assert TURN.fold([LLMCallRequested()], start=kept).claims == 9


def test_a_rewind_that_an_earlier_program_wrote_leaves_the_claims_as_they_were() -> None:
    assert TURN.fold([LLMCallRequested(), ThreadRewound(to_position=0)]).claims == 1
