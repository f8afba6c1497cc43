"""What has to hold of a thread, whatever was done to the processes that drove it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from messagedb_agent.events import (
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    TurnInterrupted,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event, RecordedEvent
from tests.engine.helpers import is_answered, violations


def what_is_wrong(
    history: Sequence[RecordedEvent],
    notes: Sequence[tuple[str, str]],
    bookings: Sequence[str],
    calls: int,
) -> list[str]:
    """In words; nothing, in a thread that was driven to its end and made so many tool calls."""
    events = [record.event for record in history]
    found = violations(history)
    if not is_answered(events):
        found.append("the last message has no answer")
    return found + _wrong_outcomes(events, bookings, calls) + _wrong_effects(events, notes)


def too_few_answers(history: Sequence[RecordedEvent], least: int) -> list[str]:
    """Of a thread in which somebody may have gone on talking."""
    answers = _answers(history)
    return [] if answers >= least else [f"{answers} answers"]


def wrong_turn(history: Sequence[RecordedEvent], answers: int) -> list[str]:
    """Of a thread with one turn in which nobody interfered: the model is asked no more."""
    found = [
        f"a {type(record.event).__name__} that nobody caused"
        for record in history
        if isinstance(record.event, TurnInterrupted | LimitReached | LLMCallFailed)
    ]
    if sum(isinstance(record.event, UserMessageAdded) for record in history) != 1:
        found.append("the message is not there once")
    recorded = _answers(history)
    return found if recorded == answers else [*found, f"{recorded} answers, not {answers}"]


def begun_twice(history: Sequence[RecordedEvent]) -> list[str]:
    """Of a thread that was only ever handed over: each step has ended where it began."""
    events = [record.event for record in history]
    found = []
    if sum(isinstance(event, LLMCallRequested) for event in events) != _answers(history):
        found.append("a model call was begun again")
    calls = Counter(e.call_id for e in events if isinstance(e, ToolExecutionRequested))
    return [*found, *(f"{name} was begun {n} times" for name, n in calls.items() if n > 1)]


def _answers(history: Sequence[RecordedEvent]) -> int:
    return sum(isinstance(record.event, LLMResponseReceived) for record in history)


def _wrong_outcomes(events: Sequence[Event], bookings: Sequence[str], calls: int) -> list[str]:
    outcomes = [e for e in events if isinstance(e, ToolExecutionCompleted | ToolExecutionFailed)]
    found = [] if len(outcomes) == calls else [f"{len(outcomes)} outcomes of {calls} calls"]
    booked = [
        str(event.call_id).removeprefix("book")
        for event in outcomes
        if isinstance(event, ToolExecutionCompleted) and event.tool_name == "book"
    ]
    if sorted(booked) != sorted(bookings):
        found.append(f"completed bookings {booked}, but the table has {list(bookings)}")
    return found


def _wrong_effects(events: Sequence[Event], notes: Sequence[tuple[str, str]]) -> list[str]:
    found = []
    done = Counter(kind for kind, _ in notes)
    keys = {(kind, key) for kind, key in notes if kind != "model"}
    claims = Counter(e.call_id for e in events if isinstance(e, ToolExecutionRequested))
    asked = sum(isinstance(event, LLMCallRequested) for event in events)
    if done.pop("model", 0) > asked:
        found.append("the model was asked without a claim")
    for call_id, count in done.items():
        # A transactional call may run again within one claim: what it did before is undone.
        if not call_id.startswith("book") and count > claims[call_id]:
            found.append(f"{call_id} was done {count} times with {claims[call_id]} claims")
    if claims["fragile"] > 1:
        found.append("what may not be done twice was begun twice")
    found += [
        f"{event.call_id} is said to be done, but nobody did it"
        for event in events
        if isinstance(event, ToolExecutionCompleted) and not done[str(event.call_id)]
    ]
    # "look" is asked for twice, under one id.
    if any(n > 1 + (c == "look") for c, n in Counter(call_id for call_id, _ in keys).items()):
        found.append("a call was run under different keys")
    return found + _unapproved(events)


def _unapproved(events: Sequence[Event]) -> list[str]:
    approved = False
    for event in events:
        if isinstance(event, ToolExecutionApproved) and event.tool_name == "guarded":
            approved = True
        if (
            isinstance(event, ToolExecutionRequested)
            and event.tool_name == "guarded"
            and not approved
        ):
            return ["a tool ran that nobody had allowed"]
    return []
