"""What a long past costs: a turn in a running process, and opening a thread there or anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.measure import Row, Scale, exponent, fastest, milliseconds
from benchmarks.turns import drive, stored_bytes
from benchmarks.world import TURN, World, new_stream
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.wrapper import StoreWrapper


def run(world: World, scale: Scale) -> Iterator[Row]:
    """The same turn, and the same opening, on short and long threads."""
    streams = [new_stream() for _ in scale.histories]
    for stream, events in zip(streams, scale.histories, strict=True):
        world.fill(stream, turns=-(-events // len(TURN)))
    with world.store() as store:
        for stream in streams:
            # The first turn leaves a snapshot, as that of any long thread has done.
            with AgentThread(store, stream) as thread:
                drive(thread)
        yield from _cold(store, streams, scale)
        yield from _warm(world, store, streams, scale)


def _warm(world: World, store: MessageDBClient, streams: list[str], scale: Scale) -> Iterator[Row]:
    with ExitStack() as exits:
        threads = [exits.enter_context(AgentThread(store, stream)) for stream in streams]
        for thread in threads:
            # The first turn hashes the whole past.
            drive(thread)
        before = [store.version(stream) for stream in streams]
        count = scale.rounds * scale.turns
        seconds = fastest(count, *(partial(drive, thread) for thread in threads))
    yield from _rows("turn, running process", 1.3, seconds, scale, milliseconds)
    with world.connect() as bare:
        sizes = [
            stored_bytes(bare, stream, version) / count
            for stream, version in zip(streams, before, strict=True)
        ]
    yield from _rows("bytes of a turn in its rows", 1.3, sizes, scale, "{:,.0f}".format)


def _cold(store: MessageDBClient, streams: list[str], scale: Scale) -> Iterator[Row]:
    def open_thread(stream: str) -> None:
        # Threads are remembered with the store, so another one is like another process.
        with AgentThread(StoreWrapper(store), stream):
            pass

    def open_again(stream: str) -> None:
        with AgentThread(store, stream):
            pass

    def fold(stream: str) -> None:
        THREAD_STATE.at_start().advance(store.read(stream))

    for events, stream in zip(scale.histories, streams, strict=True):
        acts = (partial(act, stream) for act in (open_thread, open_again, fold))
        opening, again, folding = fastest(max(1, scale.rounds // 3), *acts)
        yield Row(
            f"opening a thread of {events:,} events",
            milliseconds(opening),
            f"{milliseconds(folding)}: reading and folding all of it",
            opening / folding,
        )
        yield Row(
            f"the same, by the process that closed it, {events:,} events",
            milliseconds(again),
            f"{milliseconds(opening)}: opening it in a new process",
            again / opening,
        )


def _rows(
    what: str, bound: float, values: list[float], scale: Scale, said: Callable[[float], str]
) -> Iterator[Row]:
    shortest = f"{said(values[0])} after {scale.histories[0]:,} events"
    for events, value in zip(scale.histories[1:], values[1:], strict=True):
        yield Row(
            f"{what}, after {events:,} events",
            said(value),
            shortest,
            value / values[0],
            bound,
        )
    power = exponent(scale.histories, values)
    yield Row(f"{what}: scaling exponent", f"{power:.2f}", "0: constant; 1: linear")
