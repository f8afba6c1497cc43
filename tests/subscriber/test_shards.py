"""A category is followed with its shards: in order in each, with a position for each."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from messagedb_agent.engine.said import user_message
from messagedb_agent.events import RecordedEvent
from messagedb_agent.store import (
    MemoryPositions,
    MessageDBClient,
    StreamPositions,
    TablePositions,
)
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.positions import ConsumerName
from messagedb_agent.subscriber import ErrorPolicy, Subscriber, in_transaction
from tests.subscriber.history import Seen, running, text, write


def shard(category: str, number: int) -> str:
    name, _, version = category.partition(":")
    return f"{name}+{number:02}:{version}"


def caused_by(store: MessageDBClient, stream_name: str, cause: str, message: str) -> None:
    new = NewEvent(event=user_message(message), metadata={"correlationStreamName": cause})
    store.append(stream_name, [new])


def test_all_shards_are_read_and_those_that_come_later(
    store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-a", "1", "2")
    write(store, f"{shard(category, 3)}-b", "3")
    write(store, f"{shard(category, 3)}x-b", "of another category")
    seen = Seen()
    subscriber = Subscriber(store, category, seen)

    assert subscriber.run_once() == 3
    write(store, f"{shard(category, 0)}-c", "4")
    assert [subscriber.run_once(), subscriber.run_once()] == [1, 0]

    assert seen.messages == ["1", "2", "3", "4"]


def test_one_shard_can_be_followed_alone(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "1")
    write(store, f"{shard(category, 3)}-b", "2")
    seen = Seen()

    Subscriber(store, shard(category, 3), seen).run_once()

    assert seen.messages == ["2"]


def test_a_correlation_finds_what_any_shard_of_it_gave_rise_to(
    store: MessageDBClient, category: str
) -> None:
    origin, others = f"origin{category}", f"other{category}"
    seen = Seen()
    subscriber = Subscriber(store, category, seen, correlation=origin, batch_size=2)
    for number, cause in enumerate(
        (origin, shard(origin, 3), others, shard(origin, 5), origin, shard(others, 3), origin)
    ):
        # A thread has events of its own before anything follows from them.
        write(store, f"{cause}-thread", "cause")
        caused_by(store, f"{category}-{number % 2}", f"{cause}-thread", str(number))

    assert [subscriber.run_once() for _ in range(4)] == [2, 2, 1, 0]
    assert seen.messages == ["0", "1", "3", "4", "6"]


def test_a_correlation_with_a_shard_is_that_shard_s_alone(
    store: MessageDBClient, category: str
) -> None:
    origin = f"origin{category}"
    for number in (3, 5):
        write(store, f"{shard(origin, number)}-thread", "cause")
        caused_by(store, f"{category}-a", f"{shard(origin, number)}-thread", str(number))
    seen = Seen()

    Subscriber(store, category, seen, correlation=shard(origin, 3)).run_once()

    assert seen.messages == ["3"]


def test_nothing_is_passed_over_while_shards_appear_and_causes_alternate(
    store: MessageDBClient, category: str
) -> None:
    origin, count = f"origin{category}", 60
    seen = Seen()

    def cause() -> None:
        for number in range(count):
            thread = f"{shard(origin, number // 5)}-{number}"
            write(store, thread, "cause")
            caused_by(store, f"{category}-{number % 3}", thread, str(number))

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(cause)
        subscriber = Subscriber(store, category, seen, correlation=origin, batch_size=3)
        while subscriber.run_once() or not writing.done():
            pass
        writing.result()
        while subscriber.run_once():
            pass

    assert seen.messages == [str(number) for number in range(count)]


@pytest.mark.parametrize("kind", [StreamPositions, TablePositions])
def test_each_shard_goes_on_where_it_was(
    store: MessageDBClient, category: str, kind: type[StreamPositions | TablePositions]
) -> None:
    first, second = shard(category, 1), shard(category, 2)
    seen = Seen()

    def consumer(batch_size: int) -> Subscriber:
        positions = kind(store)
        return Subscriber(
            store, category, seen, position_store=positions, consumer_id="c",
            batch_size=batch_size,
        )  # fmt: skip

    write(store, f"{first}-a", "1", "2")
    write(store, f"{second}-b", "3", "4")
    consumer(1).run_once()
    assert seen.messages == ["1", "3"]

    # Of the first shard nothing is handled twice or lost by what is newer in the second.
    write(store, f"{first}-a", "5")
    *_, last = write(store, f"{second}-b", "6")
    consumer(100).run_once()
    assert seen.messages == ["1", "3", "2", "5", "4", "6"]

    consumer(100).run_once()
    assert len(seen.messages) == 6
    assert kind(store).load(ConsumerName(second, "c")) == last.global_position
    assert kind(store).load(ConsumerName(category, "c")) is None


def test_what_is_new_is_so_in_every_shard(store: MessageDBClient, category: str) -> None:
    write(store, f"{shard(category, 1)}-a", "old")
    seen, positions = Seen(), MemoryPositions()

    def consumer() -> Subscriber:
        return Subscriber(
            store, category, seen, start="end", position_store=positions, consumer_id="c"
        )

    consumer().run_once()
    write(store, f"{shard(category, 1)}-a", "new")
    write(store, f"{shard(category, 2)}-b", "the first of its shard, while nobody was there")
    consumer().run_once()

    assert seen.messages == ["new", "the first of its shard, while nobody was there"]


def test_who_begins_at_the_end_and_dies_in_it_begins_there_again(
    store: MessageDBClient, category: str
) -> None:
    class Dies(MemoryPositions):
        alive = True

        def save(self, consumer: ConsumerName, position: int) -> None:
            if self.alive and consumer.source == category:
                self.alive = False
                raise KeyboardInterrupt
            super().save(consumer, position)

    write(store, f"{category}-a", "old")
    write(store, f"{shard(category, 1)}-a", "old")
    seen, positions = Seen(), Dies()

    def consumer() -> Subscriber:
        return Subscriber(
            store, category, seen, start="end", position_store=positions, consumer_id="c"
        )

    with pytest.raises(KeyboardInterrupt):
        consumer().run_once()
    consumer().run_once()
    write(store, f"{shard(category, 1)}-a", "new")
    consumer().run_once()

    assert seen.messages == ["new"]


def test_a_global_position_to_begin_with_holds_for_every_shard(
    store: MessageDBClient, category: str
) -> None:
    write(store, f"{shard(category, 1)}-a", "1")
    (second,) = write(store, f"{category}-a", "2")
    write(store, f"{shard(category, 1)}-a", "3")
    seen = Seen()

    Subscriber(store, category, seen, start=second.global_position).run_once()

    assert seen.messages == ["2", "3"]


def test_what_is_appended_to_a_shard_ends_the_wait(store: MessageDBClient, category: str) -> None:
    seen = Seen()
    write(store, f"{category}-a", "1")
    with running(Subscriber(store, category, seen, poll_interval=1000)):
        seen.wait_for_count(1)
        write(store, f"{shard(category, 7)}-b", "2")
        seen.wait_for_count(2)

    assert seen.messages == ["1", "2"]


def test_members_of_a_group_share_the_threads_of_all_shards(
    store: MessageDBClient, category: str
) -> None:
    streams = [f"{shard(category, place % 4)}-{place}" for place in range(20)]
    for message in ("1", "2"):
        for stream in streams:
            write(store, stream, message)
    members = [Seen() for _ in range(3)]
    for member, seen in enumerate(members):
        Subscriber(
            store, category, seen, consumer_group_member=member, consumer_group_size=3
        ).run_once()

    handled = [record.stream_name for seen in members for record in seen.records]
    assert sorted(handled) == sorted(streams * 2)
    shares = [{record.stream_name for record in seen.records} for seen in members]
    assert not shares[0] & shares[1] | shares[1] & shares[2] | shares[0] & shares[2]


def test_coroutines_of_all_shards_run_on_one_loop(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "1")
    write(store, f"{shard(category, 1)}-b", "2")
    loops: list[Any] = []

    async def handle(_record: RecordedEvent) -> None:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())

    with Subscriber(store, category, handle) as subscriber:
        subscriber.run_once()

    assert len(loops) == 2
    assert len(set(loops)) == 1
    assert loops[0].is_closed()


def test_dead_letters_of_all_shards_are_in_one_stream(
    store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-a", "1")
    write(store, f"{shard(category, 1)}-b", "2")

    def fail(_record: RecordedEvent) -> None:
        raise ValueError

    Subscriber(
        store, category, fail, consumer_id="c", error_policy=ErrorPolicy(retries=0, then="skip")
    ).run_once()

    assert store.version(f"{category}+dead-c") == 1


def test_effects_in_transactions_happen_once_though_the_process_dies(
    store: MessageDBClient, category: str
) -> None:
    chance, expected = random.Random(5), defaultdict[str, list[str]](list)
    for number in range(60):
        stream = f"{shard(category, chance.randrange(3))}-{chance.randrange(4)}"
        write(store, stream, str(number))
        expected[stream].append(str(number))
    with store.connection() as connection:
        connection.execute("CREATE TABLE shard_effects (nr bigserial, stream text, message text)")

    def handle(record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            "INSERT INTO shard_effects (stream, message) VALUES (%s, %s)",
            (record.stream_name, text(record)),
        )
        if chance.random() < 0.1:
            raise KeyboardInterrupt  # as if the process ended here

    positions, left = TablePositions(store), 1
    while left:
        try:
            left = Subscriber(
                store, category, in_transaction(handle), position_store=positions,
                consumer_id="c", batch_size=5,
            ).run_once()  # fmt: skip
        except KeyboardInterrupt:
            continue

    with store.connection() as connection:
        rows = connection.execute("SELECT stream, message FROM shard_effects ORDER BY nr")
        done = defaultdict[str, list[str]](list)
        for stream, message in rows:
            done[stream].append(message)
    assert done == expected
