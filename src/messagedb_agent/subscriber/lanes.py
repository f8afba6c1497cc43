"""What a consumer reads in turn: one stream, or a category and each of its shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import PsycopgQueries
from messagedb_agent.store.shards import can_have_shards, categories
from messagedb_agent.subscriber.delivery import Delivery
from messagedb_agent.subscriber.source import Source

Start = int | Literal["end"]


class Lane:
    """One source, and how far its events are handled."""

    def __init__(self, store: MessageDBClient, source: Source, delivery: Delivery) -> None:
        self.delivery = delivery
        self._store = store
        self._source = source
        self._start = source.first

    def begin(self, start: Start) -> None:
        """Go on from the saved position, or from `start`."""
        if start != "end":
            self._start = max(start, self._source.first)
        if self.delivery.load() is None and start == "end":
            # Saved at once: what happens from now on is new, whenever it is asked for.
            self.delivery.position = self._store.query(self._source.last)
            self.delivery.save(at_once=True)

    def turn(self, batch_size: int, types: frozenset[str] | None) -> int:
        """Have the next batch handled; how many events were read."""
        with self._store.connection() as connection:
            # Before the read, which then finds all that there is up to here.
            horizon = self._source.horizon(connection)
            rows = self._source.read(connection, self._next(), batch_size)
        if rows:
            place = self._source.place
            batch = [(place(row), row) for row in rows if types is None or row.type in types]
            self.delivery.deliver(batch, place(rows[-1]))
        # What is others' is looked at only once; to look at a few events again costs less.
        if len(rows) < batch_size and horizon is not None and horizon - self._next() >= batch_size:
            self.delivery.deliver([], horizon)
        return len(rows)

    def _next(self) -> int:
        position = self.delivery.position
        return self._start if position is None else position + 1


class Lanes:
    """
    The lanes of one consumer.

    The first is that of the name it was given. Others are those of its shards, and more come
    as shards appear.
    """

    def __init__(
        self, store: MessageDBClient, name: str, open_lane: Callable[[str], Lane], start: Start
    ) -> None:
        self._store = store
        self._name = name
        self._open = open_lane
        self._start = start
        self._lanes = {name: open_lane(name)}
        self._begun = False

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def look(self) -> None:
        """Begin, or take up the shards that have appeared since."""
        names = [name for name in self._names() if name not in self._lanes]
        if not self._begun:
            self._begin(names)
            return
        # What was not there when this consumer began is new, all of it.
        start = 0 if self._start == "end" else self._start
        for name in names:
            self._add(name, start)

    def load(self) -> None:
        """Read the saved positions again."""
        for lane in self:
            lane.delivery.load()

    def save(self, *, at_once: bool) -> bool:
        """Save what can't wait; whether all is saved."""
        saved = [lane.delivery.save(at_once=at_once) for lane in self]
        return all(saved)

    def _begin(self, names: list[str]) -> None:
        own = self._lanes[self._name]
        # Its position tells later starts that the consumer has begun, so it is saved last.
        known = own.delivery.load() is not None
        for name in names:
            self._add(name, 0 if known and self._start == "end" else self._start)
        own.begin(self._start)
        self._begun = True

    def _add(self, name: str, start: Start) -> None:
        lane = self._open(name)
        lane.begin(start)
        self._lanes[name] = lane

    def _names(self) -> tuple[str, ...]:
        if not can_have_shards(self._name):
            return (self._name,)
        with self._store.connection() as connection:
            return categories(PsycopgQueries(connection), self._name)
