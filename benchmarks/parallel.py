"""Many threads at once in one process, beside as many bare writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

from benchmarks.measure import Row, Scale, fastest, per_second, together
from benchmarks.turns import BareTurns, drive
from benchmarks.world import World, new_stream
from messagedb_agent.engine.thread import AgentThread

_TURNS = 10


def run(world: World, scale: Scale) -> Iterator[Row]:
    """All turns together, from the first to the last."""
    ours, floor = fastest(
        max(1, scale.rounds // 3), partial(_threads, world, scale), partial(_writers, world, scale)
    )
    count = scale.parallel * _TURNS
    # Opening connections is part of both.
    yield Row(
        f"turns of {scale.parallel} threads in one process",
        per_second(count, ours),
        f"{per_second(count, floor)}: {scale.parallel} bare writers",
        ours / floor,
        1.25,
    )


def _threads(world: World, scale: Scale) -> None:
    with world.store() as store, ExitStack() as exits:
        threads = [
            exits.enter_context(AgentThread(store, new_stream())) for _ in range(scale.parallel)
        ]
        for thread in threads:
            thread.start(None)
        _together([partial(drive, thread) for thread in threads])


def _writers(world: World, scale: Scale) -> None:
    with ExitStack() as exits:
        connections = [exits.enter_context(world.connect()) for _ in range(scale.parallel)]
        _together([BareTurns(connection) for connection in connections])


def _together(turns: list[Callable[[], None]]) -> None:
    def work(turn: Callable[[], None]) -> None:
        for _ in range(_TURNS):
            turn()

    together([partial(work, turn) for turn in turns])
