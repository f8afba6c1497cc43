"""Finding threads among many."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import LiteralString

import psycopg

from benchmarks.measure import Row, Scale, fastest, milliseconds
from benchmarks.world import TURN, World, new_stream
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.quick import quick_connection
from messagedb_agent.store.search import search_threads
from messagedb_agent.store.threads import find_stream, newest_threads

_CATEGORY = "agent:v0"
_LIMIT = 20
_NAMES: LiteralString = """
    SELECT stream_name, time FROM message_store.messages
    WHERE position = 0 AND message_store.category(stream_name) = $1
    ORDER BY global_position DESC LIMIT 20
"""


_SAID = "What is 4711 plus 22?"
_SAY_OF_OLD: LiteralString = """
    UPDATE message_store.messages SET data = jsonb_set(data, '{message}', '"Do you remember?"')
    WHERE position = 0 AND data ->> 'message' NOT LIKE '%4711%' AND global_position < (
        SELECT percentile_disc(0.1) WITHIN GROUP (ORDER BY global_position)
        FROM message_store.messages)
"""
_LOOKED_AT: LiteralString = """
    SELECT DISTINCT stream_name FROM message_store.messages
    WHERE type = 'UserMessageAdded' AND data ->> 'message' ILIKE '%4711%'
"""


def run(world: World, scale: Scale) -> Iterator[Row]:
    """The newest threads, first short ones, then some with a long past among them."""
    with world.store() as store:
        # Older than all that are listed.
        store.append(new_stream(), [NewEvent(event=UserMessageAdded(message=_SAID))])
    world.fill("agent:v0-", threads=scale.listed_threads, turns=2)
    yield from _times(world, scale, f"{scale.listed_threads:,} threads")
    with world.connect() as bare:
        bare.execute(_SAY_OF_OLD)
    yield from _searches(world, scale)
    long = min(max(scale.histories), 10_000)
    for _ in range(3):
        world.fill(new_stream(), turns=-(-long // len(TURN)))
    yield from _times(world, scale, f"3 threads of {long:,} events among them")


def _searches(world: World, scale: Scale) -> Iterator[Row]:
    with quick_connection(world.conninfo) as quick, world.connect() as bare:
        cursor = psycopg.RawCursor(bare)
        began = time.perf_counter()
        assert len(search_threads(quick, _CATEGORY, _LIMIT, text="4711 PLUS")) == 1
        building = time.perf_counter() - began
        rare, old, common, short, looking = fastest(
            max(1, scale.rounds // 5),
            lambda: search_threads(quick, _CATEGORY, _LIMIT, text="4711 PLUS"),
            lambda: search_threads(quick, _CATEGORY, _LIMIT, text="remember"),
            lambda: search_threads(quick, _CATEGORY, _LIMIT, text="it is 42"),
            lambda: search_threads(quick, _CATEGORY, _LIMIT, text="zq"),
            lambda: cursor.execute(_LOOKED_AT).fetchall(),
        )
        began = time.perf_counter()
        assert search_threads(quick, _CATEGORY, _LIMIT, since=datetime.now(UTC)) == ()
        idle = time.perf_counter() - began
    what = f"among {scale.listed_threads:,} threads"
    floor = f"{milliseconds(looking)}: looking at all messages"
    yield Row(f"searching a text that one has {what}", milliseconds(rare), floor, rare / looking)
    yield Row(f"one that the oldest tenth has {what}", milliseconds(old), floor, old / looking)
    yield Row(f"searching one that all have {what}", milliseconds(common), floor, common / looking)
    yield Row(
        f"searching two letters that none has {what}", milliseconds(short), floor, short / looking
    )
    yield Row(f"the first search {what} for what the newest have not", milliseconds(building), "")
    yield Row(f"`list --since` {what}, of which none fits", milliseconds(idle), "")


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
