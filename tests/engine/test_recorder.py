"""Whatever is buffered, dropped or read: the state is that of the stream and the buffer."""

from __future__ import annotations

import pytest

from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.events import (
    LLMCallRequested,
    LLMResponseReceived,
    SessionStarted,
    UserMessageAdded,
)
from messagedb_agent.projections.messages import UserMessage
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.memory import MemoryStore

STREAM = "agent:v0-t"


@pytest.fixture
def store() -> MemoryStore:
    store = MemoryStore()
    store.append(STREAM, [NewEvent(event=SessionStarted(thread_id="t"))])
    return store


@pytest.fixture
def recorder(store: MemoryStore) -> Recorder:
    recorder = Recorder(store, STREAM)
    recorder.open()
    return recorder


def say(store: MemoryStore, text: str) -> None:
    store.append(STREAM, [NewEvent(event=UserMessageAdded(message=text))])


def folded(store: MemoryStore) -> ThreadState:
    return THREAD_STATE.fold(record.event for record in store.read(STREAM))


def always(_state: ThreadState) -> bool:
    return True


def test_after_a_commit_the_state_is_that_of_the_stream(
    store: MemoryStore, recorder: Recorder
) -> None:
    recorder.conclude((UserMessageAdded(message="one"),), always)
    recorder.intend((LLMCallRequested(model_name="m"),))
    recorder.flush()
    recorder.conclude((LLMResponseReceived(response_text="two"),), always)
    recorder.flush()

    assert recorder.state == folded(store)
    assert recorder.version == 3


def test_a_commit_leaves_the_list_of_messages_where_it_is(recorder: Recorder) -> None:
    recorder.conclude((UserMessageAdded(message="one"),), always)
    buffered = recorder.state.context.messages
    recorder.flush()

    assert recorder.state.context.messages is buffered


def test_intentions_that_a_run_leaves_behind_leave_no_trace(
    store: MemoryStore, recorder: Recorder
) -> None:
    recorder.conclude((UserMessageAdded(message="one"),), always)
    recorder.intend((LLMCallRequested(model_name="m"),))
    recorder.settle()

    assert recorder.state == folded(store)
    assert not recorder.state.turn.claimed


def test_what_others_say_is_folded_before_the_buffer(
    store: MemoryStore, recorder: Recorder
) -> None:
    recorder.conclude((UserMessageAdded(message="mine"),), always)
    say(store, "theirs")
    recorder.catch_up()
    recorder.flush()

    assert recorder.state == folded(store)
    assert list(recorder.state.context.messages) == [UserMessage("theirs"), UserMessage("mine")]


def test_facts_are_written_behind_what_came_in_between(
    store: MemoryStore, recorder: Recorder
) -> None:
    recorder.conclude((UserMessageAdded(message="mine"),), always)
    say(store, "theirs")

    assert recorder.flush()
    assert recorder.state == folded(store)
