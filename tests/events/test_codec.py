"""Events to rows and back: of every type, in old shapes, and of types nobody knows."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import EncodingError
from messagedb_agent.events import (
    AgentConfigured,
    LLMCallRequested,
    LLMResponseReceived,
    ToolExecutionCompleted,
    ToolExecutionRequested,
    UnknownEvent,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import EventRow, as_stored, decode, decode_event, encode, prepare
from messagedb_agent.events.json_text import from_json, in_stored_order, to_json
from messagedb_agent.events.registry import lookup, registered
from messagedb_agent.events.upcasters import register_upcaster
from messagedb_agent.testing.strategies import events_of, json_values, texts, unknown_events
from tests.events.sameness import same

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - Message DB keeps UTC without a zone


@pytest.mark.parametrize("kind", registered(), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_every_event_comes_back_as_it_was(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(events_of(kind))

    assert same(decode_event(*encode(event)), event)


@pytest.mark.parametrize("kind", registered(), ids=lambda kind: kind.__name__)
@given(data=st.data())
def test_an_event_can_be_prepared_for_writing_as_it_will_be_read(
    kind: type[Event], data: st.DataObject
) -> None:
    event = data.draw(events_of(kind))
    type_name, text, metadata = encode(event)

    prepared, prepared_text = prepare(event)

    assert encode(prepared, data_text=prepared_text) == (type_name, text, metadata)
    assert same(prepared, decode_event(type_name, in_stored_order(text), metadata))


def test_what_a_custom_event_keeps_in_its_metadata_is_prepared_as_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("messagedb_agent.events.registry._types", {"Routed": Routed})

    prepared, _ = prepare(Routed(by=("mail", "post"), hops=1))

    assert prepared == Routed(by=["mail", "post"], hops=1)


@given(unknown_events())
def test_an_unknown_event_is_carried_and_written_again_unchanged(event: UnknownEvent) -> None:
    carried = decode_event(*encode(event))

    assert same(carried, event)
    assert same(prepare(event)[0], event)
    assert encode(carried) == encode(event)


@given(st.sampled_from([kind.__name__ for kind in registered()]), json_values(), json_values())
def test_a_known_type_with_any_data_is_read_or_carried(
    type_name: str, data: Any, metadata: Any
) -> None:
    event = decode_event(type_name, to_json(data), to_json(metadata))

    if isinstance(event, UnknownEvent):
        assert event.type_name == type_name
        assert same(event.data, data)
    else:
        assert type(event) is lookup(type_name)


@given(texts(), texts(), st.none() | texts())
def test_rows_that_hold_no_json_are_carried(
    type_name: str, data: str, metadata: str | None
) -> None:
    event = decode_event(type_name, data, metadata)

    assert isinstance(event, UnknownEvent)


@given(st.text('\ufdd0if0129aFD{}[]":,', max_size=12))
def test_escapes_that_this_program_did_not_write_never_make_a_row_unreadable(text: str) -> None:
    for data in (text, to_json(text).replace("\ufdd0FDD0", "\ufdd0")):
        assert decode_event("UserMessageAdded", data) is not None
        assert decode_event("Unheard", data, data) is not None


@pytest.mark.parametrize("metadata", ["null", "[]", '"text"', "7", '{"attempt": null}'])
@pytest.mark.parametrize("arguments", ["{}", '"\ufdd00000"'])
def test_metadata_that_says_nothing_does_not_hide_the_event(metadata: str, arguments: str) -> None:
    data = f'{{"tool_name": "look", "arguments": {arguments}}}'

    event = decode_event("ToolExecutionRequested", data, metadata)

    assert isinstance(event, ToolExecutionRequested)
    assert (event.tool_name, event.attempt) == ("look", 1)


def test_a_row_keeps_its_place_and_its_metadata() -> None:
    row = EventRow("id", "agent:v0-1", "ThreadPainted", 3, 17, '{"colour": "red"}', '{"a":1}', NOW)

    recorded = decode(row)

    assert recorded.event == UnknownEvent(type_name="ThreadPainted", data={"colour": "red"})
    assert recorded.type == "ThreadPainted"
    assert (recorded.id, recorded.stream_name, recorded.time) == ("id", "agent:v0-1", NOW)
    assert (recorded.position, recorded.global_position) == (3, 17)
    assert recorded.metadata_text == '{"a":1}'


def test_a_row_without_data_is_carried() -> None:
    row = EventRow("id", "agent:v0-1", "UserMessageAdded", 0, 1, None, None, NOW)

    assert isinstance(decode(row).event, UnknownEvent)


def test_fields_named_as_metadata_are_not_in_the_data() -> None:
    encoded = encode(LLMCallRequested(model_name="m", attempt=2), {"traceparent": "00-1"})

    assert encoded.data == '{"model_name":"m"}'
    assert encoded.metadata == '{"attempt":2,"traceparent":"00-1"}'


def test_a_field_that_is_none_is_left_out() -> None:
    assert encode(UserMessageAdded(message="hi")).data == '{"message":"hi"}'


def test_fields_that_a_newer_program_added_are_passed_over() -> None:
    event = decode_event("UserMessageAdded", '{"message": "hi", "mood": "good"}')

    assert event == UserMessageAdded(message="hi")


def test_a_result_that_is_null_is_a_result() -> None:
    event = ToolExecutionCompleted(tool_name="look", result=None, tool_call_id="a")

    assert decode_event(*encode(event)) == event


def test_what_is_not_json_is_refused_before_anything_is_written() -> None:
    with pytest.raises(EncodingError, match="complex"):
        encode(ToolExecutionCompleted(tool_name="look", result=1j))


class Routed(Event, frozen=True, kw_only=True):
    """An event of somebody else's, who keeps more than plain values in the metadata."""

    METADATA: ClassVar[frozenset[str]] = frozenset({"by", "hops"})

    by: Any = None
    hops: int | None = 0


class Weighed(Event, frozen=True, kw_only=True):
    """An event whose meaning has changed twice."""

    SCHEMA_VERSION: ClassVar[int] = 3

    grams: int


def test_old_versions_are_lifted_one_version_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messagedb_agent.events.registry._types", {"Weighed": Weighed})
    monkeypatch.setattr("messagedb_agent.events.upcasters._upcasters", {})
    register_upcaster("Weighed", 1, lambda data: {"kilos": data["pounds"] / 2})
    register_upcaster("Weighed", 2, lambda data: {"grams": round(data["kilos"] * 1000)})

    assert encode(Weighed(grams=5)).metadata == '{"schemaVersion":3}'
    assert decode_event(*encode(Weighed(grams=5))) == Weighed(grams=5)
    assert decode_event("Weighed", '{"pounds": 4}') == Weighed(grams=2000)
    assert decode_event("Weighed", '{"kilos": 4}', '{"schemaVersion": 2}') == Weighed(grams=4000)
    assert isinstance(decode_event("Weighed", '{"stones": 4}'), UnknownEvent)


def test_an_upcaster_that_fails_does_not_make_a_thread_unreadable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(data: dict[str, Any]) -> dict[str, Any]:
        raise LookupError("pounds")

    monkeypatch.setattr("messagedb_agent.events.registry._types", {"Weighed": Weighed})
    monkeypatch.setattr("messagedb_agent.events.upcasters._upcasters", {})
    register_upcaster("Weighed", 1, fail)

    event = decode_event("Weighed", "{}")

    assert isinstance(event, UnknownEvent)
    assert "pounds" in event.reason


def test_large_numbers_in_a_response_come_back_exactly() -> None:
    response = LLMResponseReceived(token_usage={"total_tokens": 1 << 70}, latency_ms=1 << 65)

    assert decode_event(*encode(response)) == response


@given(st.lists(events_of(AgentConfigured), min_size=1, max_size=5))
def test_a_configuration_that_many_threads_record_is_written_as_any_event(
    shared: list[Event],
) -> None:
    for event in [*shared, *shared]:
        alone = msgspec.structs.replace(event)

        assert encode(event, {"by": "x"}) == encode(alone, {"by": "x"})
        assert same(as_stored(event), as_stored(alone))


def test_however_many_configurations_there_are_each_has_its_own_text() -> None:
    events = [AgentConfigured(system_prompt=f"prompt {number}") for number in range(100)]

    for event in events + events:
        assert from_json(encode(event).data)["system_prompt"] == event.system_prompt
