"""Timing, and the rows that come of it."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Callable, Sequence

import msgspec


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much is measured."""

    rounds: int = 15
    turns: int = 20
    events: int = 20_000
    histories: tuple[int, ...] = (10, 1_000, 10_000, 100_000)
    listed_threads: int = 100_000
    parallel: int = 32
    command_runs: int = 7
    models: int = 4


SMALLEST = Scale(
    rounds=1,
    turns=1,
    events=50,
    histories=(10, 50),
    listed_threads=30,
    parallel=3,
    command_runs=1,
    models=1,
)
"""Just enough to see that everything still works."""


class Row(msgspec.Struct, frozen=True):
    """One line of the report. `bound` is what the ratio should not exceed, if anything."""

    what: str
    ours: str
    floor: str
    ratio: float | None = None
    bound: float | None = None


def fastest(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """
    The shortest time of each action in seconds, taking turns.

    What disturbs a machine comes and goes. Side by side it meets all actions alike, and the
    shortest time is the one it disturbed least.
    """
    return [min(times) for times in _timed(rounds, actions)]


def medians(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """
    The median time of each action in seconds, taking turns.

    For what waits for a disk, whose shortest time is that of a lucky moment, which one of the
    actions has and the other has not.
    """
    return [statistics.median(times) for times in _timed(rounds, actions)]


def _timed(rounds: int, actions: Sequence[Callable[[], object]]) -> list[list[float]]:
    times: list[list[float]] = [[] for _ in actions]
    for _ in range(rounds):
        for action, taken in zip(actions, times, strict=True):
            began = time.perf_counter()
            action()
            taken.append(time.perf_counter() - began)
    return times


def together(actions: list[Callable[[], None]]) -> None:
    """Run each on a thread of its own, until all are done."""
    workers = [threading.Thread(target=action) for action in actions]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """The power of the size that the time grows with: 0 is constant, 1 is linear."""
    xs, ys = [math.log(size) for size in sizes], [math.log(value) for value in seconds]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - x_mean) ** 2 for x in xs)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / spread


def milliseconds(seconds: float) -> str:
    """A time for reading."""
    return f"{seconds * 1000:.{2 if seconds < 0.1 else 0}f} ms"


def per_second(count: int, seconds: float) -> str:
    """A rate for reading."""
    return f"{count / seconds:,.0f}/s"
