"""
What every event store has to pass.

Inherit from `StoreContract` in a test module and give it a fixture named `store`:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Iterator[EventStore]:
            yield MyStore()
"""

from __future__ import annotations

import pytest

from messagedb_agent.errors import (
    EncodingError,
    InvalidStreamNameError,
    OptimisticConcurrencyError,
    ThreadBusyError,
    UsageError,
)
from messagedb_agent.events.base import UnknownEvent
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.store.base import NO_STREAM, EventStore, NewEvent
from messagedb_agent.testing.contract_parts import (
    at_once,
    comparable,
    new_stream,
    said,
    texts_of,
)
from messagedb_agent.testing.reading_contract import ReadingContract


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

    @pytest.mark.parametrize("stream", ["agent:v0-a\0b", "agent:v0-\ud800"])
    def test_a_stream_name_that_no_database_takes_is_the_callers_mistake(
        self, store: EventStore, stream: str
    ) -> None:
        for refused in (
            lambda: store.append(stream, [said("a")]),
            lambda: list(store.read(stream)),
            lambda: store.version(stream),
            lambda: store.lock(stream),
        ):
            with pytest.raises(InvalidStreamNameError, match="is not usable"):
                refused()

    def test_a_type_name_that_no_database_takes_is_the_callers_mistake(
        self, store: EventStore
    ) -> None:
        stream = new_stream()

        for name in ("a\0b", "\ud800"):
            with pytest.raises(EncodingError, match="type name"):
                store.append(stream, [NewEvent(event=UnknownEvent(type_name=name))])

        assert store.version(stream) == NO_STREAM

    def test_an_id_that_is_there_twice_in_one_batch_is_refused(self, store: EventStore) -> None:
        stream, event = new_stream(), said("a")

        with pytest.raises(UsageError, match="id"):
            store.append(stream, [event, event])

        assert store.version(stream) == NO_STREAM

    def test_a_connection_sees_what_was_appended(self, store: EventStore) -> None:
        stream = new_stream()
        store.append(stream, [said("a"), said("b")])

        with store.connection() as connection:
            if connection is None:
                pytest.skip("the store has no database")
            count = "SELECT count(*) FROM message_store.messages WHERE stream_name = %s"
            assert connection.execute(count, (stream,)).fetchone() == (2,)


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
