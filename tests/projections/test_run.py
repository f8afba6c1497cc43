"""A run goes from its first claim to the rest of its thread, whichever process drives it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from messagedb_agent.events import (
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionCompleted,
    ThreadRewound,
    ToolApprovalRequested,
    ToolCall,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionRequested,
    TurnInterrupted,
    TurnResumed,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.projections.run import RUN
from messagedb_agent.projections.runs import RunSummary, runs

SAID = UserMessageAdded(message="Go.")
ANSWER = LLMResponseReceived(response_text="Done.")
ASKS = LLMResponseReceived(tool_calls=(ToolCall("c1", "echo", {}),))
PENDING = ToolApprovalRequested(tool_name="echo", tool_call_id="c1")
APPROVED = ToolExecutionApproved(tool_name="echo", tool_call_id="c1")
RESULT = ToolExecutionCompleted(tool_name="echo", tool_call_id="c1", result=1)


def asked(run_id: str, **more: Any) -> LLMCallRequested:
    return LLMCallRequested(model_name="m", run_id=run_id, **more)


def called(run_id: str) -> ToolExecutionRequested:
    return ToolExecutionRequested(tool_name="echo", tool_call_id="c1", run_id=run_id)


def recorded(events: Sequence[Event]) -> list[RecordedEvent]:
    return [
        RecordedEvent(
            id=str(place),
            event=event,
            stream_name="agent:v0-one",
            position=place,
            global_position=place + 1,
            time=datetime(2026, 1, 1, 0, 0, place, tzinfo=UTC).replace(tzinfo=None),
        )
        for place, event in enumerate(events)
    ]


def after(*events: Event) -> tuple[RunSummary, ...]:
    return runs(recorded(events))


def states(*events: Event) -> list[tuple[str, str]]:
    return [(run.run_id, run.state) for run in after(*events)]


HISTORIES: list[tuple[tuple[Event, ...], str]] = [
    ((asked("r"),), "running"),
    ((asked("r"), ANSWER), "completed"),
    ((asked("r"), ASKS), "running"),
    ((asked("r"), ASKS, PENDING), "awaiting approval"),
    ((asked("r"), ASKS, PENDING, APPROVED), "running"),
    ((asked("r"), ASKS, PENDING, APPROVED, called("r"), RESULT), "running"),
    ((asked("r"), LLMCallFailed(retryable=True)), "running"),
    ((asked("r"), LLMCallFailed(retryable=False)), "failed"),
    ((asked("r"), LimitReached(limit="max_steps", value=1, maximum=1)), "failed"),
    ((asked("r"), TurnInterrupted()), "cancelled"),
    ((asked("r"), SessionCompleted()), "cancelled"),
    ((asked("r"), ThreadRewound(to_position=0)), "cancelled"),
    ((asked("r"), ANSWER, SessionCompleted()), "completed"),
]


@pytest.mark.parametrize(("history", "state"), HISTORIES)
def test_a_run_s_state_follows_from_its_events(history: tuple[Event, ...], state: str) -> None:
    assert states(SAID, *history) == [("r", state)]


def test_a_process_that_takes_over_goes_on_with_the_run() -> None:
    assert states(SAID, asked("r"), asked("r"), ANSWER) == [("r", "completed")]


def test_the_next_message_begins_another_run() -> None:
    found = states(SAID, asked("one"), ANSWER, SAID, asked("two"), TurnInterrupted())

    assert found == [("one", "completed"), ("two", "cancelled")]


def test_a_message_that_came_while_the_model_answered_belongs_to_the_run() -> None:
    assert states(SAID, asked("r"), SAID, ANSWER) == [("r", "running")]
    assert states(SAID, asked("r"), SAID, ANSWER, asked("r"), ANSWER) == [("r", "completed")]


def test_claims_of_earlier_programs_are_no_runs() -> None:
    assert states(SAID, LLMCallRequested(model_name="m"), ANSWER) == []


def test_a_run_lasts_from_its_claim_to_its_end() -> None:
    (run,) = after(SAID, asked("r", run_timeout=60.0, run_deadline="later"), ANSWER, SAID)

    assert (run.started_at.second, run.last_activity.second, run.model_calls) == (1, 2, 1)
    assert run.deadline == "later"


def test_what_a_person_decides_sets_the_clock_anew() -> None:
    bounded = asked("r", run_timeout=60.0, run_deadline="2026-01-01T00:00:00.000Z")

    assert RUN.fold((bounded, ASKS)).deadline is not None
    assert RUN.fold((bounded, ASKS, PENDING)).deadline is None
    assert RUN.fold((bounded, ASKS, PENDING, APPROVED)).deadline is None


def test_a_resumed_turn_is_a_run_of_its_own() -> None:
    stopped = LimitReached(limit="run_timeout", value=61, maximum=60)

    found = states(SAID, asked("one"), stopped, TurnResumed(), asked("two"), ANSWER)

    assert found == [("one", "failed"), ("two", "completed")]
