"""
What every event store has to pass.

Inherit from `StoreContract` in a test module and give it a fixture named `store`:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Iterator[EventStore]:
            yield MyStore()
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messagedb_agent.errors import (
    EncodingError,
    OptimisticConcurrencyError,
    ThreadBusyError,
    UsageError,
)
from messagedb_agent.events.base import Event, RecordedEvent, UnknownEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import digest, from_json
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE, NO_STREAM, EventStore, NewEvent
from messagedb_agent.testing.strategies import NASTY_TEXTS, events

T = TypeVar("T")

EXAMPLES = settings(
    # Each example has a stream of its own, and a class of its own runs it for each store.
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.differing_executors,
    ],
    deadline=None,
    max_examples=25,
)


def new_stream() -> str:
    """The name of a stream that nobody has written to."""
    return f"contract:v0-{uuid4()}"


def said(text: str, **metadata: Any) -> NewEvent:
    """An event that is easy to tell from others."""
    return NewEvent(event=UserMessageAdded(message=text), metadata=metadata or None)


def texts_of(store: EventStore, stream_name: str, position: int = 0) -> list[str]:
    """What the messages of a stream say, in order."""
    found = (record.event for record in store.read(stream_name, position=position))
    return [event.message for event in found if isinstance(event, UserMessageAdded)]


def at_once(count: int, work: Callable[[int], T]) -> list[T | BaseException]:
    """The results, or errors, of the same work done by several threads."""
    with ThreadPoolExecutor(count) as threads:
        futures = [threads.submit(work, number) for number in range(count)]
    return [future.exception() or future.result() for future in futures]


class ReadingContract:
    """What comes back from a store."""

    def test_a_stream_that_nobody_wrote_to_is_empty(self, store: EventStore) -> None:
        stream = new_stream()

        assert store.version(stream) == NO_STREAM
        assert list(store.read(stream)) == []
        assert list(store.read(stream, position=5)) == []

    def test_positions_count_from_zero_without_gaps(self, store: EventStore) -> None:
        stream = new_stream()
        store.append(stream, [said("a")])
        store.append(stream, [said("b"), said("c")])

        assert [record.position for record in store.read(stream)] == [0, 1, 2]
        assert texts_of(store, stream) == ["a", "b", "c"]
        assert store.version(stream) == 2

    def test_what_append_returns_is_what_is_read(self, store: EventStore) -> None:
        stream = new_stream()
        new = [said("a", traceparent="00-1"), said("b")]

        returned = store.append(stream, new)

        assert list(map(comparable, returned)) == list(map(comparable, store.read(stream)))
        assert [record.id for record in returned] == [item.id for item in new]
        assert {record.stream_name for record in returned} == {stream}

    @pytest.mark.parametrize(
        ("position", "expected"), [(0, "abc"), (1, "bc"), (2, "c"), (3, ""), (99, ""), (-1, "abc")]
    )
    def test_reading_begins_at_a_position(
        self, store: EventStore, position: int, expected: str
    ) -> None:
        stream = new_stream()
        store.append(stream, [said(text) for text in "abc"])

        assert texts_of(store, stream, position) == list(expected)

    def test_a_long_stream_is_read_whole_and_in_order(self, store: EventStore) -> None:
        # More than a statement of PostgreSQL could take as parameters of their own.
        stream, count = new_stream(), 13 * DEFAULT_BATCH_SIZE + 1001
        store.append(stream, [said(str(number)) for number in range(count)])

        assert texts_of(store, stream) == [str(number) for number in range(count)]
        assert texts_of(store, stream, count - 1) == [str(count - 1)]

    def test_a_page_that_is_exactly_full_is_not_the_end(self, store: EventStore) -> None:
        stream = new_stream()
        store.append(stream, [said(str(number)) for number in range(DEFAULT_BATCH_SIZE)])

        assert len(texts_of(store, stream)) == DEFAULT_BATCH_SIZE

    def test_streams_do_not_see_one_another(self, store: EventStore) -> None:
        one, other = new_stream(), new_stream()
        store.append(one, [said("a")])
        store.append(other, [said("b")])

        assert (texts_of(store, one), texts_of(store, other)) == (["a"], ["b"])

    def test_global_positions_grow_over_all_streams(self, store: EventStore) -> None:
        streams = [new_stream(), new_stream()]

        written = [store.append(stream, [said("a")])[0] for stream in streams * 2]

        places = [record.global_position for record in written]
        assert places == sorted(set(places))

    def test_times_are_utc_without_a_zone(self, store: EventStore) -> None:
        (record,) = store.append(new_stream(), [said("a")])

        now = datetime.now(UTC).replace(tzinfo=None)
        assert abs(record.time - now) < timedelta(minutes=1)

    def test_metadata_is_kept(self, store: EventStore) -> None:
        stream = new_stream()
        store.append(stream, [said("a", correlationStreamName="s", deep={"er": [1]})])

        (record,) = store.read(stream)

        assert json.loads(record.metadata_text or "") == {
            "correlationStreamName": "s",
            "deep": {"er": [1]},
        }

    @pytest.mark.parametrize("text", NASTY_TEXTS, ids=ascii)
    def test_any_text_comes_back(self, store: EventStore, text: str) -> None:
        stream = new_stream()
        result = {text: [text]}
        tool = NewEvent(event=ToolExecutionCompleted(tool_name="look", result=result))
        store.append(stream, [said(text, note=text), tool])

        message, completed = (record.event for record in store.read(stream))

        assert message == UserMessageAdded(message=text)
        assert completed == tool.event

    @EXAMPLES
    @given(new=st.lists(events(), max_size=3))
    def test_any_event_comes_back(self, store: EventStore, new: list[Event]) -> None:
        stream = new_stream()
        returned = store.append(stream, [NewEvent(event=event) for event in new])

        found = list(store.read(stream))

        assert [content(record.event) for record in found] == [content(event) for event in new]
        assert list(map(comparable, found)) == list(map(comparable, returned))

    @pytest.mark.parametrize(
        "name", ["agent:v0-ü ñ 😀", "plain", "a:b+c-d-e-f", "agent:v0-" + "x" * 500]
    )
    def test_any_name_that_message_db_takes_is_a_stream(self, store: EventStore, name: str) -> None:
        stream = f"{name}{uuid4()}"
        store.append(stream, [said("a")], expected_version=NO_STREAM)

        assert texts_of(store, stream) == ["a"]

    def test_a_type_that_nobody_knows_is_kept(self, store: EventStore) -> None:
        stream = new_stream()
        odd = UnknownEvent(type_name="ThreadPainted", data={"colour": "red"})
        store.append(stream, [NewEvent(event=odd)])

        (record,) = store.read(stream)

        assert (record.event, record.type) == (odd, "ThreadPainted")


class WritingContract:
    """What a store promises about writing."""

    def test_writing_nothing_changes_nothing(self, store: EventStore) -> None:
        stream = new_stream()

        assert store.append(stream, []) == ()
        assert store.version(stream) == NO_STREAM

    @pytest.mark.parametrize("expected", [NO_STREAM, 0, 2, 7])
    def test_a_writer_that_expects_another_version_is_refused(
        self, store: EventStore, expected: int
    ) -> None:
        stream = new_stream()
        store.append(stream, [said("a"), said("b")])

        with pytest.raises(OptimisticConcurrencyError) as refused:
            store.append(stream, [said("c"), said("d")], expected_version=expected)

        assert refused.value.stream_name == stream
        assert (refused.value.expected_version, refused.value.actual_version) == (expected, 1)
        assert texts_of(store, stream) == ["a", "b"]

    def test_a_stream_that_does_not_exist_is_at_version_minus_one(self, store: EventStore) -> None:
        stream = new_stream()

        with pytest.raises(OptimisticConcurrencyError) as refused:
            store.append(stream, [said("a")], expected_version=0)

        assert refused.value.actual_version == NO_STREAM

    def test_a_writer_that_expects_the_right_version_is_let_in(self, store: EventStore) -> None:
        stream = new_stream()
        store.append(stream, [said("a"), said("b")], expected_version=NO_STREAM)
        store.append(stream, [said("c"), said("d")], expected_version=1)

        assert texts_of(store, stream) == ["a", "b", "c", "d"]

    def test_of_writers_that_expect_the_same_version_one_is_let_in(self, store: EventStore) -> None:
        stream = new_stream()
        store.append(stream, [said("first")])

        ends = at_once(
            6, lambda number: store.append(stream, [said(str(number))], expected_version=0)
        )

        refused = [end for end in ends if isinstance(end, OptimisticConcurrencyError)]
        assert len(refused) == 5
        assert store.version(stream) == 1

    def test_writers_that_expect_nothing_are_all_let_in_without_gaps(
        self, store: EventStore
    ) -> None:
        stream = new_stream()

        at_once(6, lambda number: store.append(stream, [said(f"{number}a"), said(f"{number}b")]))

        texts = texts_of(store, stream)
        assert sorted(texts) == sorted(f"{number}{part}" for number in range(6) for part in "ab")
        # What was written together stands together.
        assert [text[0] for text in texts[::2]] == [text[0] for text in texts[1::2]]

    def test_a_batch_of_which_one_event_is_no_json_leaves_nothing(self, store: EventStore) -> None:
        stream = new_stream()
        bad = NewEvent(event=ToolExecutionCompleted(tool_name="look", result=object()))

        with pytest.raises(EncodingError):
            store.append(stream, [said("a"), bad])

        assert store.version(stream) == NO_STREAM

    @pytest.mark.parametrize("expected", [None, NO_STREAM])
    def test_the_same_events_written_again_are_there_once(
        self, store: EventStore, expected: int | None
    ) -> None:
        stream = new_stream()
        new = [said("a", traceparent="00-1"), said("b")]
        first = store.append(stream, new, expected_version=expected)
        store.append(stream, [said("c")])

        again = store.append(stream, new, expected_version=expected)

        assert list(map(comparable, again)) == list(map(comparable, first))
        assert texts_of(store, stream) == ["a", "b", "c"]

    def test_an_id_that_another_stream_holds_is_refused(self, store: EventStore) -> None:
        one, other, event = new_stream(), new_stream(), said("a")
        store.append(one, [event])

        with pytest.raises(UsageError, match="id"):
            store.append(other, [said("b"), event])

        assert store.version(other) == NO_STREAM

    def test_a_batch_that_is_there_in_part_is_refused_whole(self, store: EventStore) -> None:
        stream, event = new_stream(), said("a")
        store.append(stream, [event])

        with pytest.raises(UsageError, match="id"):
            store.append(stream, [event, said("b")])

        assert texts_of(store, stream) == ["a"]

    def test_an_id_that_is_there_twice_in_one_batch_is_refused(self, store: EventStore) -> None:
        stream, event = new_stream(), said("a")

        with pytest.raises(UsageError, match="id"):
            store.append(stream, [event, event])

        assert store.version(stream) == NO_STREAM


class LockingContract:
    """One driver for each thread."""

    def test_a_lock_that_is_held_is_given_to_nobody_else(self, store: EventStore) -> None:
        stream = new_stream()
        lock = store.lock(stream)

        with pytest.raises(ThreadBusyError, match="is being driven by"):
            store.lock(stream)

        assert lock.is_held()
        lock.release()

    def test_a_lock_that_was_released_can_be_taken_again(self, store: EventStore) -> None:
        stream = new_stream()
        first = store.lock(stream)
        first.release()

        second = store.lock(stream)
        first.release()  # releasing twice takes nothing from whoever has it now

        assert (first.is_held(), second.is_held()) == (False, True)
        with pytest.raises(ThreadBusyError):
            store.lock(stream)
        second.release()

    def test_locks_of_different_threads_are_independent(self, store: EventStore) -> None:
        locks = [store.lock(new_stream()) for _ in range(3)]
        locks[1].release()

        assert [lock.is_held() for lock in locks] == [True, False, True]

    def test_of_many_who_want_a_lock_one_gets_it(self, store: EventStore) -> None:
        stream = new_stream()

        ends = at_once(6, lambda _: store.lock(stream))

        assert sum(isinstance(end, ThreadBusyError) for end in ends) == 5

    def test_a_lock_does_not_keep_anybody_from_writing(self, store: EventStore) -> None:
        stream = new_stream()
        lock = store.lock(stream)

        store.append(stream, [said("a")])

        assert texts_of(store, stream) == ["a"]
        lock.release()


class StoreContract(ReadingContract, WritingContract, LockingContract):
    """All of it."""


def content(event: Event) -> tuple[str, str, str]:
    """All that an event says, in whichever order its objects have their keys."""
    type_name, data, metadata = encode(event)
    return type_name, digest(from_json(data)), digest(from_json(metadata or "{}"))


def comparable(record: RecordedEvent) -> tuple[Any, ...]:
    """All that a recorded event says; the text of its JSON may be laid out in many ways."""
    return (
        record.id,
        content(record.event),
        record.stream_name,
        record.position,
        record.global_position,
        record.time,
        record.metadata_text and json.loads(record.metadata_text),
    )
