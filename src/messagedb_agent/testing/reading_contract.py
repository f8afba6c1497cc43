"""The part of the store contract that is about reading; see `store_contract`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events.base import Event, UnknownEvent
from messagedb_agent.events.system import SessionCompleted
from messagedb_agent.events.tool import ToolExecutionCompleted
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE, NO_STREAM, EventStore, NewEvent
from messagedb_agent.testing.contract_parts import (
    EXAMPLES,
    comparable,
    content,
    new_stream,
    said,
    texts_of,
)
from messagedb_agent.testing.strategies import NASTY_TEXTS, events


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

    def test_streams_are_found_by_what_came_after_a_position(self, store: EventStore) -> None:
        first, second, missing = new_stream(), new_stream(), new_stream()
        store.append(first, [said("a"), said("b")])
        store.append(second, [NewEvent(event=SessionCompleted())])
        types = (UserMessageAdded.__name__, "AnyOther")

        found = store.streams_with(types, after={first: 0, second: -1, missing: -1})

        assert found == {first}
        assert store.streams_with(types, after={first: 1}) == frozenset()
        assert store.streams_with((), after={first: -1}) == frozenset()
        assert store.streams_with(types, after={}) == frozenset()

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
