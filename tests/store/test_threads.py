"""Finding threads: the newest, the last one, by a part of the id; and what `list` says of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from messagedb_agent.errors import ThreadNotFoundError, UsageError
from messagedb_agent.events import (
    ErrorOccurred,
    LimitReached,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    ThreadReopened,
    ToolApprovalRequested,
    ToolCall,
    ToolExecutionApproved,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRejected,
    ToolExecutionRequested,
    TurnInterrupted,
    TurnResumed,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import decode
from messagedb_agent.projections.session_state import SESSION_STATE
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.threads import (
    ThreadSummary,
    find_stream,
    last_model,
    newest_threads,
    read_rows,
)
from messagedb_agent.testing.histories import histories

STARTED = SessionStarted(thread_id="t")
ASKED = UserMessageAdded(message="hi")
CLAIMED = LLMCallRequested()
ANSWERED = LLMResponseReceived(response_text="so")
CALLS = LLMResponseReceived(tool_calls=(ToolCall("a", "write", {}), ToolCall("b", "write", {})))


def pending(call_id: str) -> ToolApprovalRequested:
    return ToolApprovalRequested(tool_name="write", tool_call_id=call_id, tool_id=call_id)


def approved(call_id: str) -> ToolExecutionApproved:
    return ToolExecutionApproved(tool_name="write", tool_call_id=call_id)


def new_category() -> str:
    return f"c{uuid4().hex}:v0"


def write(store: MessageDBClient, stream: str, events: Sequence[Event]) -> None:
    store.append(stream, [NewEvent(event=event) for event in events])


def summary(
    store: MessageDBClient, quick: QuickConnection, events: Sequence[Event]
) -> ThreadSummary:
    """What `list` says of a thread with this past."""
    category = new_category()
    write(store, f"{category}-t", events)
    (found,) = newest_threads(quick, category, 5)
    return found


STATUSES: dict[str, tuple[tuple[Event, ...], str]] = {
    "a new one": ((STARTED,), "active"),
    "asked": ((STARTED, ASKED), "active"),
    "answered": ((STARTED, ASKED, CLAIMED, ANSWERED), "active"),
    "one that waits": ((STARTED, ASKED, CLAIMED, CALLS, pending("a")), "waiting"),
    "one that waits still": (
        (STARTED, ASKED, CLAIMED, CALLS, pending("a"), pending("b"), approved("a")), "waiting",
    ),
    "approved": ((STARTED, ASKED, CLAIMED, CALLS, pending("a"), approved("a")), "active"),
    "rejected": (
        (STARTED, ASKED, CLAIMED, CALLS, pending("a"),
         ToolExecutionRejected(tool_name="write", tool_call_id="a")), "active",
    ),
    "interrupted": ((STARTED, ASKED, CLAIMED, TurnInterrupted()), "interrupted"),
    "interrupted while waiting": (
        (STARTED, ASKED, CLAIMED, CALLS, pending("a"), pending("b"),
         ToolExecutionFailed(tool_name="write", tool_call_id="a"),
         ToolExecutionFailed(tool_name="write", tool_call_id="b"), TurnInterrupted()),
        "interrupted",
    ),
    "resumed": ((STARTED, ASKED, CLAIMED, TurnInterrupted(), TurnResumed()), "active"),
    "at a limit": (
        (STARTED, ASKED, CLAIMED, LimitReached(limit="max_steps", value=1, maximum=1)), "limit",
    ),
    "being retried": ((STARTED, ASKED, CLAIMED, LLMCallFailed(retryable=True)), "active"),
    "given up": ((STARTED, ASKED, CLAIMED, LLMCallFailed(retryable=False)), "failed"),
    "given up by an earlier program": ((STARTED, ASKED, CLAIMED, LLMCallFailed()), "failed"),
    "completed": ((STARTED, ASKED, SessionCompleted()), "completed"),
    "failed": ((STARTED, ASKED, SessionCompleted(completion_reason="timeout")), "failed"),
    "completed while waiting": (
        (STARTED, ASKED, CLAIMED, CALLS, pending("a"), SessionCompleted()), "completed",
    ),
    "reopened": ((STARTED, ASKED, SessionCompleted(), ThreadReopened()), "active"),
}  # fmt: skip


@pytest.mark.parametrize(("past", "status"), STATUSES.values(), ids=STATUSES.keys())
def test_the_status_of_a_thread_is_told_by_its_past(
    client: MessageDBClient, quick: QuickConnection, past: tuple[Event, ...], status: str
) -> None:
    assert summary(client, quick, past).status == status


def test_a_summary_counts_what_happened(client: MessageDBClient, quick: QuickConnection) -> None:
    found = summary(
        client,
        quick,
        (
            STARTED,
            ASKED,
            CLAIMED,
            LLMCallFailed(retryable=True),
            CLAIMED,
            CALLS,
            ToolExecutionRequested(tool_name="write", tool_call_id="a"),
            ToolExecutionCompleted(tool_name="write", tool_call_id="a"),
            pending("b"),
            ErrorOccurred(),
            ASKED,
        ),
    )

    assert (found.message_count, found.llm_call_count, found.tool_call_count) == (2, 1, 1)
    assert (found.error_count, found.pending_approvals, found.thread_id) == (2, 1, "t")
    assert found.start_time.endswith("Z")
    assert found.start_time <= found.last_activity
    assert found.end_time is None


def test_an_ended_thread_has_an_end_and_a_reopened_one_has_none(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    ended = (STARTED, ASKED, SessionCompleted())

    assert summary(client, quick, ended).end_time is not None
    assert summary(client, quick, (*ended, ThreadReopened())).end_time is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(past=histories())
def test_what_list_says_agrees_with_what_the_events_say(
    client: MessageDBClient, quick: QuickConnection, past: list[Event]
) -> None:
    found, state = summary(client, quick, past), THREAD_STATE.fold(past)
    session = SESSION_STATE.fold(past)

    assert found.pending_approvals == len(state.calls.pending)
    assert found.message_count == session.message_count
    assert found.llm_call_count == session.llm_call_count
    assert found.tool_call_count == session.tool_call_count
    assert found.error_count == session.error_count
    if not found.pending_approvals:
        assert found.status == (state.turn.halted or "active")


def test_the_newest_threads_come_first_and_only_so_many(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    category = new_category()
    for name in "abc":
        write(client, f"{category}-{name}", [STARTED])
    write(client, f"{category}-a", [ASKED])
    write(client, f"{category}x-z", [STARTED])

    assert [thread.thread_id for thread in newest_threads(quick, category, 2)] == ["c", "b"]
    assert [thread.thread_id for thread in newest_threads(quick, category, 9)] == ["c", "b", "a"]
    assert newest_threads(quick, new_category(), 9) == ()


def test_the_last_thread_is_the_one_in_which_something_happened_last(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    category = new_category()
    write(client, f"{category}-a", [STARTED])
    write(client, f"{category}-b", [STARTED])
    write(client, f"{category}-a", [ASKED])

    assert find_stream(quick, category, "last") == f"{category}-a"


def test_without_threads_there_is_no_last_one(quick: QuickConnection) -> None:
    with pytest.raises(ThreadNotFoundError, match="no threads"):
        find_stream(quick, new_category(), "last")


@pytest.mark.parametrize(
    ("part", "found"), [("abc-1", "abc-1"), ("b", "b%_"), ("abc-12", "abc-12"), ("b%", "b%_")]
)
def test_a_thread_is_found_by_its_id_or_a_unique_beginning_of_it(
    client: MessageDBClient, quick: QuickConnection, part: str, found: str
) -> None:
    category = new_category()
    for name in ("abc-1", "abc-12", "abd-1", "b%_"):
        write(client, f"{category}-{name}", [STARTED])

    assert find_stream(quick, category, part) == f"{category}-{found}"


@pytest.mark.parametrize(
    ("part", "error"),
    [
        ("ab", UsageError),
        ("", UsageError),
        ("zzz", ThreadNotFoundError),
        ("b_", ThreadNotFoundError),
        ("%", ThreadNotFoundError),
        ("\x00", UsageError),
        ("'; DROP TABLE", ThreadNotFoundError),
    ],
    ids=ascii,
)
def test_a_beginning_that_fits_several_or_none_is_refused(
    client: MessageDBClient, quick: QuickConnection, part: str, error: type[Exception]
) -> None:
    category = new_category()
    for name in ("abc-1", "abd-1", "b%_"):
        write(client, f"{category}-{name}", [STARTED])

    with pytest.raises(error):
        find_stream(quick, category, part)


def test_rows_of_a_long_thread_are_those_that_the_store_reads(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    stream = f"{new_category()}-t"
    odd = UserMessageAdded(message="\x00 \ud800 😀")
    write(client, stream, [STARTED, odd, *[ASKED] * DEFAULT_BATCH_SIZE])

    assert [decode(row) for row in read_rows(quick, stream)] == list(client.read(stream))


def test_the_model_of_a_thread_is_the_one_that_was_called_last(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    stream = f"{new_category()}-t"
    write(client, stream, [STARTED, ASKED])
    assert last_model(quick, stream) is None

    claims = [LLMCallRequested(model_name=name) for name in ("openai:a", "gemini-b")]
    write(client, stream, [*claims, ANSWERED, ASKED])

    assert last_model(quick, stream) == "gemini-b"
