from __future__ import annotations

import pytest

from messagedb_agent.events.agent import LLMCallFailed, LLMResponseReceived, ToolCall
from messagedb_agent.events.base import Event, UnknownEvent
from messagedb_agent.events.tool import (
    StoredResult,
    ToolApprovalRequested,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.user import (
    ToolExecutionApproved,
    ToolExecutionRejected,
    UserMessageAdded,
)
from messagedb_agent.tui.entries import Entry
from messagedb_agent.tui.presenter import Presenter
from tests.tui.conftest import recorded

CALL = ToolCall(id="c1", name="shout", arguments={"text": "hi"})
ASKED_FOR = LLMResponseReceived(tool_calls=(CALL,))


def after(*events: Event) -> list[Entry]:
    presenter = Presenter()
    presenter.take(recorded(events))
    return presenter.entries


def test_a_call_is_one_entry_from_the_request_to_the_result() -> None:
    presenter = Presenter()
    presenter.take(recorded([ASKED_FOR]))

    changed = presenter.take(
        recorded(
            [
                ToolExecutionRequested(
                    tool_name="shout", arguments=CALL.arguments, tool_call_id="c1"
                ),
                ToolExecutionCompleted(
                    tool_name="shout", result="HI", execution_time_ms=12, tool_call_id="c1"
                ),
            ],
            start=1,
        )
    )

    (entry,) = presenter.entries
    assert changed == {0}
    assert entry.tool is not None
    assert (entry.tool.status, entry.tool.result, entry.tool.duration_ms) == ("done", "HI", 12)


def test_a_result_that_is_stored_elsewhere_shows_its_size_and_beginning() -> None:
    (entry,) = after(
        ASKED_FOR,
        ToolExecutionCompleted(
            tool_name="shout",
            result="HI HI…",
            stored=StoredResult("ab" * 32, 20_000),
            tool_call_id="c1",
        ),
    )

    assert entry.tool is not None
    assert entry.tool.result == "[20,000 bytes, abababababab] HI HI…"


def test_a_failed_call_took_the_time_from_its_claim() -> None:
    (entry,) = after(
        ASKED_FOR,
        ToolExecutionRequested(tool_name="shout", tool_call_id="c1"),
        ToolExecutionFailed(tool_name="shout", error_message="no", tool_call_id="c1"),
    )

    assert entry.tool is not None
    assert (entry.tool.status, entry.tool.result, entry.tool.duration_ms) == ("failed", "no", 1000)


def test_thinking_text_and_calls_of_one_answer_are_entries_of_their_own() -> None:
    entries = after(
        LLMResponseReceived(
            response_text="so",
            tool_calls=(CALL,),
            content=(
                {"type": "thinking", "thinking": "hm", "signature": "x"},
                {"thought": True, "text": "well"},
            ),
        )
    )

    assert [(entry.kind, entry.text) for entry in entries] == [
        ("thinking", "hm\n\nwell"),
        ("answer", "so"),
        ("tool", ""),
    ]


def test_an_approval_is_answered_where_it_was_asked() -> None:
    asked = ToolApprovalRequested(tool_name="shout", arguments={"text": "hi"}, tool_call_id="c1")
    allowed = after(
        ASKED_FOR,
        asked,
        ToolExecutionApproved(
            tool_name="shout", approved_by="ada", edited_arguments={"text": "ho"}, tool_call_id="c1"
        ),
    )
    refused = after(
        ASKED_FOR,
        asked,
        ToolExecutionRejected(tool_name="shout", reason="too loud", tool_call_id="c1"),
    )

    assert [entry.kind for entry in allowed] == ["tool", "approval"]
    assert allowed[0].tool is not None
    assert allowed[0].tool.arguments == {"text": "ho"}
    assert "approved by ada" in allowed[1].text
    assert refused[0].tool is not None
    assert (refused[0].tool.status, refused[0].tool.result) == ("rejected", "too loud")


def test_outcomes_of_calls_that_nobody_asked_for_are_shown_too() -> None:
    entries = after(ToolExecutionCompleted(tool_name="old", result=1))

    assert [entry.tool.name for entry in entries if entry.tool] == ["old"]


def test_failures_that_are_tried_again_and_unknown_events_have_their_entries() -> None:
    entries = after(
        LLMCallFailed(error_message="busy", retryable=True),
        UnknownEvent(type_name="Surprise", data={"a": 1}),
    )

    assert [entry.kind for entry in entries] == ["error", "system"]
    assert "trying again" in entries[0].text
    assert entries[1].text.startswith("Surprise")


def test_events_taken_one_by_one_or_at_once_look_the_same() -> None:
    history = [
        UserMessageAdded(message="hi"),
        ASKED_FOR,
        ToolExecutionRequested(tool_name="shout", tool_call_id="c1"),
        ToolExecutionCompleted(tool_name="shout", result="HI", tool_call_id="c1"),
        LLMResponseReceived(response_text="done"),
    ]
    presenter = Presenter()
    for record in recorded(history):
        presenter.take([record])

    assert presenter.entries == after(*history)
    assert presenter.said() == ["hi"]


@pytest.mark.parametrize("reason", ["max_tokens", "context_window", "refusal", "safety"])
def test_an_answer_that_ended_early_is_said_to_have(reason: str) -> None:
    entries = after(LLMResponseReceived(response_text="half", stop_reason=reason))

    assert [(entry.kind, entry.text) for entry in entries] == [
        ("answer", "half"),
        ("error", f"the answer ended early: {reason}"),
    ]


def test_an_answer_of_thoughts_alone_is_empty() -> None:
    blocks = ({"type": "thinking", "thinking": "hm", "signature": "s"},)

    entries = after(LLMResponseReceived(content=blocks, stop_reason="end_turn"))

    assert [(entry.kind, entry.text) for entry in entries] == [
        ("thinking", "hm"),
        ("answer", "[empty answer]"),
    ]
