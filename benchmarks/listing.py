"""Finding threads among many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import LiteralString

import psycopg

from benchmarks.measure import Row, Scale, fastest, milliseconds
from benchmarks.world import TURN, World, new_stream
from messagedb_agent.store.quick import quick_connection
from messagedb_agent.store.threads import find_stream, newest_threads

_CATEGORY = "agent:v0"
_LIMIT = 20
_NAMES: LiteralString = """
    SELECT stream_name, time FROM message_store.messages
    WHERE position = 0 AND message_store.category(stream_name) = $1
    ORDER BY global_position DESC LIMIT 20
"""


def run(world: World, scale: Scale) -> Iterator[Row]:
    """The newest threads, first short ones, then some with a long past among them."""
    world.fill("agent:v0-", threads=scale.listed_threads, turns=2)
    yield from _times(world, scale, f"{scale.listed_threads:,} threads")
    long = min(max(scale.histories), 10_000)
    for _ in range(3):
        world.fill(new_stream(), turns=-(-long // len(TURN)))
    yield from _times(world, scale, f"3 threads of {long:,} events among them")


def _times(world: World, scale: Scale, note: str) -> Iterator[Row]:
    with quick_connection(world.conninfo) as quick, world.connect() as bare:
        cursor = psycopg.RawCursor(bare)
        found = newest_threads(quick, _CATEGORY, _LIMIT)
        some = found[-1].thread_id[:20]
        listing, finding, names = fastest(
            scale.rounds,
            lambda: newest_threads(quick, _CATEGORY, _LIMIT),
            lambda: find_stream(quick, _CATEGORY, some),
            lambda: cursor.execute(_NAMES, (_CATEGORY,)).fetchall(),
        )
    floor = f"{milliseconds(names)}: names and times of the {_LIMIT} newest"
    yield Row(f"`list`, the query, {note}", milliseconds(listing), floor, listing / names)
    yield Row(f"a thread by the start of its id, {note}", milliseconds(finding), floor)
