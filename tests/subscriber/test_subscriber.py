from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from messagedb_agent.errors import StoreUnavailableError, UsageError
from messagedb_agent.events import RecordedEvent, SessionStarted, UserMessageAdded
from messagedb_agent.store import MemoryPositions, MessageDBClient, StreamPositions
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.positions import ConsumerName
from messagedb_agent.subscriber import Subscriber, in_transaction
from tests.subscriber.history import PATIENCE_SECONDS, Seen, running, text, write


def test_a_category_is_handled_in_the_order_in_which_it_was_written(
    store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-a", "1", "2")
    write(store, f"{category}-b", "3")
    write(store, f"{category}-a", "4")
    write(store, f"{category}x-a", "of another category")
    seen = Seen()

    subscriber = Subscriber(store, category, seen, batch_size=3)

    assert [subscriber.run_once(), subscriber.run_once(), subscriber.run_once()] == [3, 1, 0]
    assert seen.messages == ["1", "2", "3", "4"]


def test_one_stream_is_followed_by_its_own_positions(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "1")
    write(store, f"{category}-b", "of another stream")
    write(store, f"{category}-a", "2", "3")
    seen = Seen()

    Subscriber(store, f"{category}-a", seen, start=1).run_once()

    assert seen.messages == ["2", "3"]


def test_a_new_consumer_may_begin_with_what_is_new(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "old")
    seen, positions = Seen(), MemoryPositions()

    def consumer() -> Subscriber:
        return Subscriber(
            store, category, seen, start="end", position_store=positions, consumer_id="new"
        )

    consumer().run_once()
    write(store, f"{category}-a", "while nobody was there")
    consumer().run_once()

    assert seen.messages == ["while nobody was there"]


def test_a_consumer_goes_on_where_it_was(store: MessageDBClient, category: str) -> None:
    seen, positions = Seen(), StreamPositions(store)
    for message in ("1", "2"):
        write(store, f"{category}-a", message)
        Subscriber(store, category, seen, position_store=positions, consumer_id="one").run_once()

    Subscriber(store, category, seen, position_store=positions, consumer_id="other").run_once()

    assert seen.messages == ["1", "2", "1", "2"]


def test_what_was_handled_but_not_saved_comes_again(store: MessageDBClient, category: str) -> None:
    class Forgetful(MemoryPositions):
        def save(self, *_given: object) -> None:
            raise StoreUnavailableError("the connection was cut")

    write(store, f"{category}-a", "1")
    seen = Seen()
    for _ in range(2):
        subscriber = Subscriber(
            store, category, seen, position_store=Forgetful(), consumer_id="forgetful"
        )
        with pytest.raises(StoreUnavailableError):
            subscriber.run_once()

    assert seen.messages == ["1", "1"]


def test_positions_are_saved_by_the_batch(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", *map(str, range(50)))
    seen = Seen()
    subscriber = Subscriber(
        store, category, seen, position_store=StreamPositions(store), consumer_id="saver",
        batch_size=5,
    )  # fmt: skip

    with running(subscriber):
        seen.wait_for_count(50)

    assert store.version(f"{category}+position-saver") == 0


def test_a_position_is_saved_though_nothing_happens_any_more(
    store: MessageDBClient, category: str
) -> None:
    (record,) = write(store, f"{category}-a", "1")
    saved = threading.Event()

    class Watched(MemoryPositions):
        def save(self, *given: object) -> None:
            assert given == (ConsumerName(category, "watched"), record.global_position)
            saved.set()

    subscriber = Subscriber(
        store, category, Seen(), position_store=Watched(), consumer_id="watched",
        poll_interval=1000, save_interval=0.05,
    )  # fmt: skip

    with running(subscriber):
        assert saved.wait(PATIENCE_SECONDS)


def test_only_wanted_types_are_handled_and_the_others_are_passed(
    store: MessageDBClient, category: str
) -> None:
    last = store.append(
        f"{category}-a",
        [
            NewEvent(event=SessionStarted(thread_id="a")),
            NewEvent(event=UserMessageAdded(message="hello", timestamp="")),
            NewEvent(event=SessionStarted(thread_id="a")),
        ],
    )[-1]
    seen, positions = Seen(), MemoryPositions()

    Subscriber(
        store, category, seen, event_types=[UserMessageAdded], position_store=positions,
        consumer_id="choosy",
    ).run_once()  # fmt: skip

    assert seen.messages == ["hello"]
    assert positions.load(ConsumerName(category, "choosy")) == last.global_position


def test_a_correlation_narrows_a_category(store: MessageDBClient, category: str) -> None:
    for stream_name in ("origin-1", "elsewhere-1"):
        event = UserMessageAdded(message=stream_name, timestamp="")
        metadata = {"correlationStreamName": stream_name}
        store.append(f"{category}-a", [NewEvent(event=event, metadata=metadata)])
    seen = Seen()

    Subscriber(store, category, seen, correlation="origin").run_once()

    assert seen.messages == ["origin-1"]


def test_coroutines_run_on_one_loop(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "1", "2")
    loops: list[Any] = []
    messages: list[str] = []

    async def handle(record: RecordedEvent) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        messages.append(text(record))

    with Subscriber(store, category, handle) as subscriber:
        subscriber.run_once()
        write(store, f"{category}-a", "3")
        subscriber.run_once()

    assert messages == ["1", "2", "3"]
    assert len(set(loops)) == 1
    assert loops[0].is_closed()


def test_stopping_leaves_the_rest_of_the_batch_for_the_next_run(
    store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-a", "1", "2", "3")
    messages: list[str] = []

    def handle(record: RecordedEvent) -> None:
        messages.append(text(record))
        if len(messages) == 2:
            subscriber.stop()

    subscriber = Subscriber(
        store, category, handle, position_store=StreamPositions(store), consumer_id="stopper"
    )
    subscriber.run()
    assert messages == ["1", "2"]

    subscriber.run_once()
    assert messages == ["1", "2", "3"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"batch_size": 0},
        {"position_store": MemoryPositions()},
        {"consumer_id": "a b"},
        {"consumer_group_member": 0},
        {"consumer_group_member": 3, "consumer_group_size": 3},
        {"correlation": "has-dash"},
        {"category": "some:v0-stream", "correlation": "other"},
        {"handler": in_transaction(lambda _record, _connection: None)},
    ],
)
def test_parameters_that_make_no_sense_are_refused(
    store: MessageDBClient, parameters: dict[str, Any]
) -> None:
    given = {"category": "some:v0", "handler": Seen(), **parameters}

    with pytest.raises(UsageError):
        Subscriber(store, given.pop("category"), given.pop("handler"), **given)
