"""What holds for every projection and every history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events.base import Event, UnknownEvent
from messagedb_agent.events.codec import as_stored
from messagedb_agent.projections import (
    project_to_llm_context,
    project_to_next_step,
    project_to_session_state,
    project_to_tool_arguments,
)
from messagedb_agent.projections.base import Projection
from messagedb_agent.projections.interruption import interruption
from messagedb_agent.projections.life_cycle import LIFE_CYCLE
from messagedb_agent.projections.llm_context import LLM_CONTEXT
from messagedb_agent.projections.next_step import Stop, decide
from messagedb_agent.projections.session_state import SESSION_STATE
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.projections.tool_calls import TOOL_CALLS
from messagedb_agent.projections.transcript import entry
from messagedb_agent.projections.turn import TURN
from messagedb_agent.projections.usage import USAGE
from messagedb_agent.testing.histories import DECIDERS, histories
from messagedb_agent.testing.strategies import events
from tests.events.sameness import same

PROJECTIONS = (LIFE_CYCLE, LLM_CONTEXT, SESSION_STATE, THREAD_STATE, TOOL_CALLS, TURN, USAGE)

ANYTHING = st.lists(events(), max_size=8) | histories()

each_projection = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda fold: fold.name)


@each_projection
@given(history=ANYTHING, cut=st.integers(0, 20))
def test_a_fold_may_be_resumed_anywhere(
    projection: Projection[Any], history: list[Event], cut: int
) -> None:
    snapshot = projection.fold(history[:cut])

    resumed = projection.fold(history[cut:], start=snapshot)

    assert same(resumed, projection.fold(history))
    # Going on from a snapshot does not change it.
    assert same(snapshot, projection.fold(history[:cut]))


@each_projection
@given(history=histories(), place=st.integers(0, 20))
def test_an_event_of_an_unknown_type_changes_nothing(
    projection: Projection[Any], history: list[Event], place: int
) -> None:
    odd = UnknownEvent(type_name="Surprise", data={"tool_call_id": "call_0"})

    assert same(
        projection.fold([*history[:place], odd, *history[place:]]), projection.fold(history)
    )


@each_projection
@given(history=ANYTHING)
def test_what_was_stored_folds_to_the_same_state(
    projection: Projection[Any], history: list[Event]
) -> None:
    assert same(projection.fold(map(as_stored, history)), projection.fold(history))


@given(ANYTHING)
def test_nothing_that_can_be_in_a_stream_makes_a_question_fail(history: list[Event]) -> None:
    project_to_llm_context(history)
    project_to_next_step(history)
    project_to_session_state(history)
    project_to_tool_arguments(history)
    interruption(THREAD_STATE.fold(history))
    assert all(entry(event).text is not None for event in history)


@given(st.lists(events(), max_size=8))
def test_there_is_a_next_step_after_anything(history: list[Event]) -> None:
    known = [event for event in history if not _calls_unknown_tools(event)]

    assert decide(THREAD_STATE.fold(known), DECIDERS) is not None


def _calls_unknown_tools(event: Event) -> bool:
    return any(call.name == "nosuch" for call in getattr(event, "tool_calls", ()))


@given(histories())
def test_an_interrupted_turn_rests_and_owes_no_tool_result(history: list[Event]) -> None:
    state = THREAD_STATE.fold(history)
    ending = interruption(state)
    after = THREAD_STATE.fold(ending, start=state)

    assert not after.calls.open
    assert interruption(after) == () or after.turn.halted == "interrupted"
    if ending:
        assert decide(after, DECIDERS) == Stop("interrupted")
