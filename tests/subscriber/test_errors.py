from __future__ import annotations

import json

import pytest

from messagedb_agent.errors import HandlerFailedError, UsageError
from messagedb_agent.events import RecordedEvent
from messagedb_agent.store import MemoryPositions, MessageDBClient
from messagedb_agent.store.positions import ConsumerName
from messagedb_agent.subscriber import ErrorPolicy, EventSkipped, Subscriber
from tests.subscriber.history import text, write


class Fails:
    """A handler that fails for the message "bad", so many times."""

    def __init__(self, times: int) -> None:
        self._times = times
        self.messages: list[str] = []

    def __call__(self, record: RecordedEvent) -> None:
        self.messages.append(text(record))
        if text(record) == "bad" and self._times:
            self._times -= 1
            raise ValueError("it is bad\nin two lines")


def test_a_handler_that_fails_is_called_again(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "1", "bad", "3")
    handler = Fails(2)

    Subscriber(
        store, category, handler, error_policy=ErrorPolicy(retries=2, first_pause=0.001)
    ).run_once()

    assert handler.messages == ["1", "bad", "bad", "bad", "3"]


def test_pauses_grow_up_to_a_limit() -> None:
    policy = ErrorPolicy(retries=5, first_pause=1, longest_pause=6)

    assert list(policy.pauses()) == [1, 2, 4, 6, 6]


def test_stopping_leaves_the_position_before_the_event(
    store: MessageDBClient, category: str
) -> None:
    first, *_ = write(store, f"{category}-a", "1", "bad", "3")
    positions = MemoryPositions()
    subscriber = Subscriber(
        store, category, Fails(1), position_store=positions, consumer_id="c",
        error_policy=ErrorPolicy(retries=0),
    )  # fmt: skip

    with pytest.raises(HandlerFailedError, match=r"-a\[1\]: ValueError: it is bad$"):
        subscriber.run()

    assert positions.load(ConsumerName(category, "c")) == first.global_position


def test_what_is_skipped_is_kept_with_the_reason(store: MessageDBClient, category: str) -> None:
    _, bad, last = write(store, f"{category}-a", "1", "bad", "3")
    positions = MemoryPositions()

    def consumer() -> Subscriber:
        return Subscriber(
            store, category, Fails(9), position_store=positions, consumer_id="c",
            error_policy=ErrorPolicy(retries=1, first_pause=0, then="skip"),
        )  # fmt: skip

    consumer().run_once()

    assert positions.load(ConsumerName(category, "c")) == last.global_position
    (letter,) = store.read(f"{category}+dead-c")
    assert letter.event == EventSkipped(
        consumer="c",
        event_id=bad.id,
        event_type="UserMessageAdded",
        event_stream_name=bad.stream_name,
        event_position=1,
        event_global_position=bad.global_position,
        reason="ValueError: it is bad\nin two lines",
        attempts=2,
    )

    # As after a crash between the letter and the position.
    positions.save(ConsumerName(category, "c"), bad.global_position - 1)
    consumer().run_once()
    assert store.version(f"{category}+dead-c") == 0


def test_a_pause_does_not_keep_it_from_stopping(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "bad")
    positions = MemoryPositions()

    def handle(_record: RecordedEvent) -> None:
        subscriber.stop()
        raise ValueError

    subscriber = Subscriber(
        store, category, handle, position_store=positions, consumer_id="c",
        error_policy=ErrorPolicy(first_pause=1000, longest_pause=1000),
    )  # fmt: skip
    subscriber.run()

    assert positions.load(ConsumerName(category, "c")) is None


def test_a_policy_has_no_negative_numbers() -> None:
    with pytest.raises(UsageError):
        ErrorPolicy(retries=-1)


def test_reasons_are_stored_whatever_they_hold(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "bad")

    def handle(_record: RecordedEvent) -> None:
        raise ValueError("\x00\ud800" + "x" * 10_000)

    policy = ErrorPolicy(retries=0, then="skip")
    Subscriber(store, category, handle, consumer_id="c", error_policy=policy).run_once()

    (letter,) = store.read(f"{category}+dead-c")
    assert isinstance(letter.event, EventSkipped)
    assert letter.event.reason.startswith("ValueError: \x00\ud800xxx")
    assert len(json.dumps(letter.event.reason)) < 3000
