"""The views count what the projections count, and tell each thing that happened once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from messagedb_agent.events import (
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    ThreadRenamed,
    ToolApprovalRequested,
    ToolCall,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event, UnknownEvent
from messagedb_agent.projections.session_state import SESSION_STATE
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.quick import quick_connection
from messagedb_agent.store.threads import newest_threads
from messagedb_agent.testing.histories import histories
from tests.store.analytics.conftest import Past, Rows

View = Callable[[str, str], Rows]

STARTED = SessionStarted(thread_id="t")
ASKED = UserMessageAdded(message="Where is it?")
CLAIMED = LLMCallRequested(model_name="m")
CALLS = LLMResponseReceived(
    model_name="m",
    tool_calls=(ToolCall("a", "look", {}), ToolCall("b", "write", {})),
    token_usage={"input_tokens": 7, "output_tokens": 3},
    latency_ms=120,
)
ANSWERED = LLMResponseReceived(
    model_name="m", response_text="here", token_usage={"total_tokens": 30}, latency_ms=80
)


def began(call_id: str, name: str, attempt: int = 1) -> Event:
    return ToolExecutionRequested(tool_name=name, tool_call_id=call_id, attempt=attempt)


def failed(call_id: str, name: str) -> Event:
    return ToolExecutionFailed(tool_name=name, tool_call_id=call_id, error_message="no")


WORKED = (
    STARTED, ASKED, CLAIMED, CALLS,
    began("a", "look"),
    ToolApprovalRequested(tool_name="write", tool_call_id="b", arguments={"x": 1}),
    ToolExecutionCompleted(tool_name="look", tool_call_id="a", result=1, execution_time_ms=2.5),
    ToolExecutionApproved(tool_name="write", tool_call_id="b", approved_by="ann"),
    began("b", "write"), began("b", "write", 2), failed("b", "write"),
    CLAIMED, ANSWERED, ThreadRenamed(title="The search"),
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@given(events=histories())
def test_the_views_count_what_the_projections_count(
    past: Past, view: View, analytics_dsn: str, events: list[Event]
) -> None:
    stream_name = past(events)
    state, session = THREAD_STATE.fold(events), SESSION_STATE.fold(events)
    kinds = Counter(type(event) for event in events)

    (thread,) = view("threads", stream_name)
    turns, steps = view("turns", stream_name), view("steps", stream_name)
    calls, asked = view("tool_calls", stream_name), view("approvals", stream_name)

    names = ("message_count", "llm_call_count", "tool_call_count", "error_count")
    assert [thread[name] for name in names] == [getattr(session, name) for name in names]
    assert thread["events"] == len(events)
    assert thread["pending_approvals"] == len(state.calls.pending)
    assert len(turns) == session.message_count
    assert sum(turn["model_calls"] for turn in turns) == session.llm_call_count
    assert len(view("usage", stream_name)) == session.llm_call_count
    assert outcomes(steps, "model") == (kinds[LLMResponseReceived], kinds[LLMCallFailed])
    assert outcomes(steps, "tool") == (kinds[ToolExecutionCompleted], kinds[ToolExecutionFailed])
    assert sum(call["started_at"] is not None for call in calls) == session.tool_call_count
    assert len(asked) == kinds[ToolApprovalRequested]
    with quick_connection({"dbname": analytics_dsn}) as connection:
        (listed,) = newest_threads(connection, stream_name.partition("-")[0], 1)
    assert (thread["status"], thread["thread_id"]) == (listed.status, listed.thread_id)


def outcomes(steps: Rows, kind: str) -> tuple[int, int]:
    found = Counter(step["outcome"] for step in steps if step["kind"] == kind)
    return found["completed"], found["failed"]


def test_tool_calls_tell_each_attempt_with_its_end(past: Past, view: View) -> None:
    rows = view("tool_calls", past(WORKED))

    assert [(row["tool_name"], row["outcome"], row["error"]) for row in rows] == [
        ("look", "completed", None),
        ("write", None, None),
        ("write", "failed", "no"),
    ]
    assert rows[0]["duration_ms"] == 2.5
    assert {row["model_name"] for row in rows} == {"m"}


def test_a_call_that_never_ran_is_told_too(past: Past, view: View) -> None:
    (row,) = view("tool_calls", past((STARTED, ASKED, CLAIMED, CALLS, failed("a", "look"))))

    assert (row["started_at"], row["outcome"], row["duration_ms"]) == (None, "failed", None)


def test_steps_have_the_measured_duration(past: Past, view: View) -> None:
    rows = view("steps", past(WORKED))

    assert [(row["kind"], row["outcome"]) for row in rows] == [
        ("model", "completed"),
        ("tool", "completed"),
        ("tool", None),
        ("tool", "failed"),
        ("model", "completed"),
    ]
    assert [row["duration_ms"] for row in rows[::4]] == [120, 80]


def test_turns_and_threads_add_up(past: Past, view: View) -> None:
    stream_name = past(WORKED)

    (turn,) = view("turns", stream_name)
    (thread,) = view("threads", stream_name)

    assert (turn["turn"], turn["message"], turn["outcome"]) == (1, "Where is it?", "answered")
    assert (turn["model_calls"], turn["tool_calls"], turn["total_tokens"]) == (2, 3, 40)
    assert (thread["title"], thread["total_tokens"]) == ("The search", 40)


def test_approvals_tell_who_decided(past: Past, view: View) -> None:
    asked = ToolApprovalRequested(tool_name="look", tool_call_id="a")
    opening = (STARTED, ASKED, CLAIMED, CALLS, asked)
    no = ToolExecutionRejected(tool_name="look", tool_call_id="a", rejected_by="bo", reason="no")

    (approved,) = view("approvals", past(WORKED))
    (rejected,) = view("approvals", past((*opening, no)))
    (open_,) = view("approvals", past(opening))
    (gone,) = view("approvals", past((*opening, failed("a", "look"))))

    assert (approved["decision"], approved["decided_by"]) == ("approved", "ann")
    assert approved["arguments"] == {"x": 1}
    assert (rejected["decision"], rejected["decided_by"], rejected["reason"]) == (
        "rejected", "bo", "no",
    )  # fmt: skip
    assert (open_["decision"], open_["waited_ms"]) == ("pending", None)
    assert gone["decision"] == "overtaken"


@pytest.mark.parametrize(
    ("past_events", "outcome"),
    [
        ((STARTED, ASKED), "open"),
        ((STARTED, ASKED, CLAIMED, LLMCallFailed(retryable=False)), "failed"),
        ((STARTED, ASKED, CLAIMED, LLMCallFailed(retryable=True)), "open"),
        ((STARTED, ASKED, CLAIMED, CALLS), "open"),
        ((STARTED, ASKED, CLAIMED, ANSWERED, SessionCompleted()), "answered"),
    ],
)
def test_a_turn_says_how_it_stands(
    past: Past, view: View, past_events: tuple[Event, ...], outcome: str
) -> None:
    (turn,) = view("turns", past(past_events))

    assert turn["outcome"] == outcome


ODD: tuple[Any, ...] = (None, 3, "x", [], {"token_usage": "many"}, {"token_usage": [1]},
    {"token_usage": {"input_tokens": 1e300, "total_tokens": "7", "output_tokens": -1.5}},
    {"latency_ms": "fast", "tool_calls": 5, "execution_time_ms": 1e400, "message": [1]},
    {"latency_ms": 1e300, "model_name": 7, "tool_name": None, "retryable": {}, "title": {}},
)  # fmt: skip


def test_no_odd_event_makes_a_report_fail(
    past: Past, view: View, connection: psycopg.Connection[dict[str, Any]]
) -> None:
    kinds = {type(event).__name__ for event in WORKED} | {"LLMCallFailed", "ThreadForked"}
    odd = [UnknownEvent(type_name=kind, data=data) for kind in sorted(kinds) for data in ODD]
    stream_name = past((STARTED, *odd))

    for name in ("threads", "turns", "steps", "tool_calls", "approvals", "usage"):
        assert view(name, stream_name)


def test_streams_of_other_programs_are_no_threads(past: Past, view: View) -> None:
    stream_name = past((UnknownEvent(type_name="OrderPlaced", data={}),))

    assert view("threads", stream_name) == []
