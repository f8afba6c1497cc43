"""Rows as earlier programs wrote them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from messagedb_agent.events import (
    DisplayPreferenceUpdated,
    ErrorOccurred,
    Event,
    LLMCallFailed,
    LLMCallRequested,
    LLMCallStarted,
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    SessionTerminationRequested,
    ToolCall,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionStarted,
    UserMessageAdded,
)
from messagedb_agent.events.codec import decode_event
from messagedb_agent.projections import THREAD_STATE, StepType, project_to_next_step
from messagedb_agent.projections.transcript import entry

CALL = {"tool_id": "toolu_1", "tool_index": 0}

SHAPES: dict[str, tuple[str, Any, Any, Event]] = {
    "model call started": (
        "LLMCallStarted", {"model_name": "m"}, None, LLMCallStarted(model_name="m"),
    ),
    "model call started, bare": ("LLMCallStarted", {}, {}, LLMCallStarted()),
    "model call requested, bare": ("LLMCallRequested", {}, {}, LLMCallRequested()),
    "tool started": (
        "ToolExecutionStarted", {"tool_name": "look", "arguments": {"at": "x"}}, CALL,
        ToolExecutionStarted(
            tool_name="look", arguments={"at": "x"}, tool_id="toolu_1", tool_index=0
        ),
    ),
    "tool approved": (
        "ToolExecutionApproved", {"tool_name": "look", "approved_by": "ann"}, {},
        ToolExecutionApproved(tool_name="look", approved_by="ann"),
    ),
    "tool rejected": (
        "ToolExecutionRejected", {"tool_name": "look", "rejected_by": "ann", "reason": "no"}, None,
        ToolExecutionRejected(tool_name="look", rejected_by="ann", reason="no"),
    ),
    "display preference": (
        "DisplayPreferenceUpdated", {"preference": "dark", "instruction": "shorter"}, None,
        DisplayPreferenceUpdated(preference="dark", instruction="shorter"),
    ),
    "display preference, unforeseen fields": (
        "DisplayPreferenceUpdated", {"theme": {"name": "dark"}}, None, DisplayPreferenceUpdated(),
    ),
    "response with empty usage": (
        "LLMResponseReceived",
        {"response_text": "hi", "tool_calls": [], "model_name": "m", "token_usage": {}}, None,
        LLMResponseReceived(response_text="hi", model_name="m", token_usage={}),
    ),
    "response with null usage": (
        "LLMResponseReceived", {"response_text": "hi", "token_usage": None}, None,
        LLMResponseReceived(response_text="hi"),
    ),
    "response with calls without ids": (
        "LLMResponseReceived", {"tool_calls": [{"name": "look", "arguments": {}}]}, None,
        LLMResponseReceived(tool_calls=(ToolCall(name="look", arguments={}),)),
    ),
    "response without text": (
        "LLMResponseReceived", {"response_text": None, "tool_calls": None}, None,
        LLMResponseReceived(),
    ),
    "response with calls that hold nulls": (
        "LLMResponseReceived", {"tool_calls": [{"id": None, "name": "x", "arguments": None}]}, None,
        LLMResponseReceived(tool_calls=(ToolCall(name="x"),)),
    ),
    "call failed": (
        "LLMCallFailed", {"error_message": "down", "retry_count": 3}, None,
        LLMCallFailed(error_message="down", retry_count=3),
    ),
    "tool completed": (
        "ToolExecutionCompleted", {"tool_name": "look", "result": 4, "execution_time_ms": 1}, CALL,
        ToolExecutionCompleted(
            tool_name="look", result=4, execution_time_ms=1, tool_id="toolu_1", tool_index=0
        ),
    ),
    "tool completed, without metadata": (
        "ToolExecutionCompleted", {"tool_name": "look", "result": None}, None,
        ToolExecutionCompleted(tool_name="look"),
    ),
    "tool failed": (
        "ToolExecutionFailed", {"tool_name": "look", "error_message": "e", "retry_count": 0}, CALL,
        ToolExecutionFailed(
            tool_name="look", error_message="e", tool_id="toolu_1", tool_index=0
        ),
    ),
    "session started": (
        "SessionStarted", {"thread_id": "t", "initial_context": None}, None,
        SessionStarted(thread_id="t"),
    ),
    "session completed, bare": ("SessionCompleted", {}, None, SessionCompleted()),
    "termination, with a null reason": (
        "SessionTerminationRequested", {"reason": None}, None, SessionTerminationRequested(),
    ),
    "error without trace": (
        "ErrorOccurred", {"error_type": "E", "error_message": "m", "stack_trace": None}, None,
        ErrorOccurred(error_type="E", error_message="m"),
    ),
    "message without time": (
        "UserMessageAdded", {"message": "hi"}, {"user": "ann"}, UserMessageAdded(message="hi"),
    ),
}  # fmt: skip


def read(type_name: str, data: Any, metadata: Any = None) -> Event:
    text = None if metadata is None else json.dumps(metadata)
    return decode_event(type_name, json.dumps(data), text)


@pytest.mark.parametrize(("type_name", "data", "metadata", "meant"), SHAPES.values(), ids=SHAPES)
def test_an_old_shape_still_has_its_meaning(
    type_name: str, data: Any, metadata: Any, meant: Event
) -> None:
    event = read(type_name, data, metadata)

    assert event == meant
    assert entry(event).text


RESPONSE = {"tool_calls": [{"id": "toolu_1", "name": "look", "arguments": {}}], "token_usage": {}}

TURN: tuple[tuple[str, Any, Any, StepType], ...] = (
    ("SessionStarted", {"thread_id": "t"}, None, StepType.TERMINATION),
    ("UserMessageAdded", {"message": "hi"}, None, StepType.LLM_CALL),
    ("LLMCallStarted", {"model_name": "m"}, None, StepType.LLM_CALL),
    ("LLMResponseReceived", RESPONSE, None, StepType.TOOL_EXECUTION),
    ("DisplayPreferenceUpdated", {"preference": "dark"}, None, StepType.TOOL_EXECUTION),
    ("ToolExecutionRequested", {"tool_name": "look", "arguments": {}}, CALL,
     StepType.TOOL_EXECUTION),
    ("ToolExecutionApproved", {"tool_name": "look", "approved_by": "ann"}, None,
     StepType.TOOL_EXECUTION),
    ("ToolExecutionStarted", {"tool_name": "look"}, CALL, StepType.TOOL_EXECUTION),
    ("ToolExecutionCompleted", {"tool_name": "look", "result": ""}, CALL, StepType.LLM_CALL),
    ("LLMCallStarted", {}, None, StepType.LLM_CALL),
    ("LLMResponseReceived", {"response_text": "done", "token_usage": None}, None,
     StepType.TERMINATION),
    ("SessionCompleted", {"completion_reason": "success"}, None, StepType.TERMINATION),
)  # fmt: skip


def test_after_each_event_of_an_old_turn_the_next_step_is_right() -> None:
    past: list[Event] = []
    steps = []
    for type_name, data, metadata, _ in TURN:
        past.append(read(type_name, data, metadata))
        steps.append(project_to_next_step(past))

    assert steps == [step for *_, step in TURN]


def test_calls_without_ids_are_told_apart_by_their_names() -> None:
    calls = [{"name": "look", "arguments": {}}, {"name": "write", "arguments": {}}]
    past = [
        read("UserMessageAdded", {"message": "hi"}),
        read("LLMResponseReceived", {"tool_calls": calls}),
        read("ToolExecutionCompleted", {"tool_name": "write", "result": "w"}),
        read("ToolExecutionRejected", {"tool_name": "look", "rejected_by": "ann", "reason": "no"}),
    ]

    results = THREAD_STATE.fold(past).context.messages[-2:]

    assert [(result.result, result.is_error) for result in results] == [  # type: ignore[union-attr]
        ("The user rejected this tool call. Reason: no", True),
        ("w", False),
    ]


def test_calls_without_ids_by_one_name_are_told_apart_by_their_index() -> None:
    calls = [{"name": "look", "arguments": {"at": place}} for place in "ab"]
    past = [
        read("LLMResponseReceived", {"tool_calls": calls}),
        read("ToolExecutionCompleted", {"tool_name": "look", "result": 2}, {"tool_index": 1}),
        read("ToolExecutionCompleted", {"tool_name": "look", "result": 1}, {"tool_index": 0}),
    ]

    results = THREAD_STATE.fold(past).context.messages[-2:]

    assert [result.result for result in results] == [1, 2]  # type: ignore[union-attr]
