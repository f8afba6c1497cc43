"""Effects in the store's own database happen once, whatever happens to the consumer."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.errors import ConsumerBusyError, HandlerFailedError
from messagedb_agent.events import RecordedEvent
from messagedb_agent.store import MessageDBClient, TablePositions
from messagedb_agent.store.positions import ConsumerName
from messagedb_agent.subscriber import ErrorPolicy, Subscriber, in_transaction
from tests.subscriber.history import PATIENCE_SECONDS, text, write

PROMPT = ErrorPolicy(retries=1, first_pause=0)


class Effects:
    """A table that handlers write to."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.table = f"effects_{uuid4().hex}"
        connection.execute(
            f"CREATE TABLE {self.table} "
            "(nr bigserial, stream_name text, position int, message text)"
        )

    def add(self, record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        connection.execute(
            f"INSERT INTO {self.table} (stream_name, position, message) VALUES (%s, %s, %s)",
            (record.stream_name, record.position, text(record)),
        )

    def rows(self) -> list[tuple[str, int]]:
        query = f"SELECT stream_name, position FROM {self.table} ORDER BY nr"
        return self._connection.execute(query).fetchall()

    def messages(self) -> list[str]:
        query = f"SELECT message FROM {self.table} ORDER BY nr"
        return [row[0] for row in self._connection.execute(query)]


@pytest.fixture
def effects(dsn: str) -> Iterator[Effects]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        yield Effects(connection)


def test_effects_and_position_commit_together(
    store: MessageDBClient, category: str, effects: Effects
) -> None:
    write(store, f"{category}-a", "1", "2", "3")
    positions = TablePositions(store)
    crashes = iter([True, False])

    def handle(record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        effects.add(record, connection)
        if text(record) == "2" and next(crashes):
            raise KeyboardInterrupt  # as if the process ended here

    def consumer() -> Subscriber:
        return Subscriber(
            store, category, in_transaction(handle), position_store=positions, consumer_id="c"
        )

    with pytest.raises(KeyboardInterrupt):
        consumer().run_once()
    assert effects.messages() == []

    consumer().run_once()
    assert effects.messages() == ["1", "2", "3"]


def test_a_failure_undoes_its_own_effects_only(
    store: MessageDBClient, category: str, effects: Effects
) -> None:
    write(store, f"{category}-a", "1", "bad", "3")
    positions = TablePositions(store)

    def handle(record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        effects.add(record, connection)
        if text(record) == "bad":
            connection.execute("SELECT 1/0")

    def consumer(policy: ErrorPolicy) -> Subscriber:
        return Subscriber(
            store, category, in_transaction(handle), position_store=positions, consumer_id="c",
            error_policy=policy,
        )  # fmt: skip

    with pytest.raises(HandlerFailedError, match="division by zero"):
        consumer(PROMPT).run_once()
    assert effects.messages() == ["1"]

    consumer(ErrorPolicy(retries=0, then="skip")).run_once()
    assert effects.messages() == ["1", "3"]
    assert store.version(f"{category}+dead-c") == 0


def test_two_processes_of_one_name_take_turns(
    store: MessageDBClient, category: str, effects: Effects
) -> None:
    write(store, f"{category}-a", "1", "2")
    positions = TablePositions(store)

    def consumer() -> Subscriber:
        return Subscriber(
            store, category, in_transaction(handle), position_store=positions, consumer_id="c"
        )

    busy: list[bool] = []

    def handle(record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        if not busy:
            busy.append(True)
            with pytest.raises(ConsumerBusyError):
                consumer().run_once()
        effects.add(record, connection)

    zombie = consumer()
    zombie.run_once()
    write(store, f"{category}-a", "3")
    consumer().run_once()

    # The first one has not heard of that and finds out before it does anything.
    assert zombie.run_once() == 0
    write(store, f"{category}-a", "4")
    assert zombie.run_once() == 1
    assert effects.messages() == ["1", "2", "3", "4"]


def test_stopping_keeps_what_was_done(
    store: MessageDBClient, category: str, effects: Effects
) -> None:
    write(store, f"{category}-a", "1", "2", "3")

    def handle(record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        effects.add(record, connection)
        if text(record) == "2":
            subscriber.stop()

    subscriber = Subscriber(
        store, category, in_transaction(handle), position_store=TablePositions(store),
        consumer_id="c",
    )  # fmt: skip
    subscriber.run()
    assert effects.messages() == ["1", "2"]

    subscriber.run_once()
    assert effects.messages() == ["1", "2", "3"]


class Member:
    """A member of a group of three that breaks down again and again, and is restarted."""

    def __init__(
        self, store: MessageDBClient, category: str, effects: Effects, member: int
    ) -> None:
        self._store, self._category, self._effects = store, category, effects
        self._member = member
        self._chance = random.Random(member)
        self._fuse = 0
        self.breakdowns = 0

    def work(self, finished: threading.Event) -> None:
        while not finished.is_set():
            self._fuse = self._chance.randint(1, 60)
            subscriber = Subscriber(
                self._store, self._category, in_transaction(self._handle),
                position_store=TablePositions(self._store), consumer_id="worker",
                consumer_group_member=self._member, consumer_group_size=3,
                batch_size=self._chance.choice([1, 7, 20]), poll_interval=0.02,
            )  # fmt: skip
            with suppress(SystemExit):
                subscriber.run(finished)

    def _handle(self, record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
        self._effects.add(record, connection)
        self._fuse -= 1
        if self._fuse == 0:
            self.breakdowns += 1
            raise SystemExit  # its transaction is lost, as with a killed process


def test_a_group_whose_members_restart_handles_every_event_once_and_in_order(
    store: MessageDBClient, category: str, effects: Effects
) -> None:
    streams, per_stream = 12, 40
    finished = threading.Event()
    members = [Member(store, category, effects, number) for number in range(3)]
    threads = [threading.Thread(target=each.work, args=(finished,)) for each in members]
    for thread in threads:
        thread.start()
    for part in range(per_stream // 4):
        for stream in range(streams):
            write(store, f"{category}-{stream}", *(f"{part}.{n}" for n in range(4)))
    _wait_for_rows(effects, streams * per_stream)
    finished.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)

    found: dict[str, list[int]] = {}
    for stream_name, position in effects.rows():
        found.setdefault(stream_name, []).append(position)
    assert found == {f"{category}-{n}": list(range(per_stream)) for n in range(streams)}
    assert sum(each.breakdowns for each in members) > 3


def _wait_for_rows(effects: Effects, count: int) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE_SECONDS / 0.05)):
        if len(effects.rows()) >= count:
            return
        pause.wait(0.05)


def test_a_position_without_a_handler_is_an_ordinary_one(
    store: MessageDBClient, category: str
) -> None:
    positions, name = TablePositions(store), ConsumerName(category, "plain")

    assert positions.load(name) is None
    positions.save(name, 17)

    assert TablePositions(store).load(name) == 17
