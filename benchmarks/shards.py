"""Writers beside one another: all in one category, and spread over shards of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import psycopg

from benchmarks.measure import Row, Scale, fastest, per_second, together
from benchmarks.world import TURN, World
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.operations import Batch, append_events
from messagedb_agent.store.stream import build_stream_name, generate_thread_id

_WRITERS = 16
_SHARDS = (1, 4, 16)


def run(world: World, scale: Scale) -> Iterator[Row]:
    """Commits of one event each, every one to a thread of its own, as ids spread them."""
    writers = min(_WRITERS, scale.parallel)
    for durable, note in ((True, ""), (False, ", commits not waiting for the disk")):
        with ExitStack() as exits:
            connections = [
                exits.enter_context(world.connect(durable=durable)) for _ in range(writers)
            ]
            seconds = fastest(
                max(1, scale.rounds // 3),
                *(partial(_all, connections, scale.turns, shards) for shards in _SHARDS),
            )
        count = writers * scale.turns
        for shards, needed in zip(_SHARDS[1:], seconds[1:], strict=True):
            yield Row(
                f"appends of {writers} writers over {shards} shards{note}",
                per_second(count, needed),
                f"{per_second(count, seconds[0])}: the same in one category",
                needed / seconds[0],
            )


def _all(connections: list[psycopg.Connection[Any]], count: int, shards: int) -> None:
    together([partial(_write, connection, count, shards) for connection in connections])


def _write(connection: psycopg.Connection[Any], count: int, shards: int) -> None:
    for _ in range(count):
        stream_name = build_stream_name("agent", "v0", generate_thread_id(), shards)
        append_events(connection, Batch.of(stream_name, [NewEvent(event=TURN[0])]))
