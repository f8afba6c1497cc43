"""A consumer that catches up with a category."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString
from uuid import uuid4

import psycopg

from benchmarks.measure import Row, Scale, fastest, per_second
from benchmarks.world import TURN, World
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.subscriber import Subscriber

_READ: LiteralString = "SELECT * FROM message_store.get_category_messages($1, $2, 1000)"


def run(world: World, scale: Scale) -> Iterator[Row]:
    """All events of a category, from its first."""
    category = f"catchup{uuid4().hex}:v0"
    world.fill(f"{category}-thread", turns=-(-scale.events // len(TURN)))
    seen = 0

    def count(_record: RecordedEvent) -> None:
        nonlocal seen
        seen += 1

    with world.store() as store, world.connect() as bare:
        cursor = psycopg.RawCursor(bare)

        def consume() -> None:
            with Subscriber(store, category, count, listen=False) as subscriber:
                while subscriber.run_once():
                    pass

        def fetch() -> int:
            position, found = 1, 0
            while rows := cursor.execute(_READ, (category, position), prepare=True).fetchall():
                position, found = rows[-1][4] + 1, found + len(rows)
            return found

        total = fetch()
        consume()
        assert seen == total
        mine, floor = fastest(scale.rounds, consume, fetch)
    yield Row(
        f"a consumer catching up with {total:,} events",
        per_second(total, mine),
        f"{per_second(total, floor)}: the same pages as tuples",
        mine / floor,
    )
