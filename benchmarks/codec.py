"""Events from database text, and states from events."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from benchmarks.measure import Row, Scale, fastest, per_second
from benchmarks.world import TURN, World, encoded, new_stream
from messagedb_agent.events.codec import EventRow, decode, encode
from messagedb_agent.projections.thread_state import THREAD_STATE

_NOW = datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def run(world: World, scale: Scale) -> Iterator[Row]:
    """Throughput of codec and fold, and the memory of a long thread's state."""
    del world
    rows = _rows(scale.events)
    recorded = [decode(row) for row in rows]
    events = [record.event for record in recorded]
    parse = msgspec.json.Decoder().decode

    def just_parse() -> list[object]:
        return [(parse(row.data or "null"), parse(row.metadata or "null")) for row in rows]

    def just_look() -> int:
        find = THREAD_STATE.handlers.get
        return sum(find(type(event)) is None for event in events)

    count = len(rows)
    reading, parsing, writing, folding, looking = fastest(
        scale.rounds,
        lambda: [decode(row) for row in rows],
        just_parse,
        lambda: [encode(event) for event in events],
        lambda: THREAD_STATE.fold(events),
        just_look,
    )
    yield Row(
        "decoding events from text",
        per_second(count, reading),
        f"{per_second(count, parsing)}: the two JSON texts into dicts",
        reading / parsing,
    )
    yield Row("encoding events", per_second(count, writing), "")
    yield Row(
        "folding the state of a thread",
        per_second(count, folding),
        f"{per_second(count, looking)}: a look at each event's type",
        folding / looking,
    )
    yield _memory(max(scale.histories))


def _rows(count: int) -> list[EventRow]:
    texts, stream = encoded(), new_stream()
    return [
        EventRow(
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            stream,
            *texts[place % len(TURN)][:1],
            place,
            place,
            *texts[place % len(TURN)][1:],
            _NOW,
        )
        for place in range(count)
    ]


def _memory(count: int) -> Row:
    rows = _rows(count)
    gc.collect()
    tracemalloc.start()
    state = THREAD_STATE.fold(decode(row).event for row in rows)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    text = sum(len(row.data or "") for row in rows)
    return Row(
        f"memory of the state after {count:,} events ({len(state.context.messages):,} messages)",
        f"{size / 1e6:.1f} MB",
        f"{text / 1e6:.1f} MB: the JSON of the events",
        size / text,
    )
