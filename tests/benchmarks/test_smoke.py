"""The benchmarks run, on as little as possible; how long things take is not asked here."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.measure import SMALLEST, Row, exponent
from benchmarks.report import put_into_page, table
from benchmarks.world import World, new_world


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with new_world() as world:
        yield world


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_gives_rows(name: str, world: World) -> None:
    rows = list(BENCHMARKS[name](world, SMALLEST))

    assert rows
    assert all(row.ratio is None or math.isfinite(row.ratio) for row in rows)


def test_a_tool_turn_is_four_commits_and_four_round_trips(world: World) -> None:
    rows = {row.what: row for row in BENCHMARKS["turns"](world, SMALLEST)}

    assert rows["commits of a turn"].ratio == 1
    assert rows["round trips of a turn"].ratio == 1


def test_the_exponent_tells_constant_from_linear() -> None:
    assert exponent((10, 100, 1000), (1.0, 1.0, 1.0)) == pytest.approx(0)
    assert exponent((10, 100, 1000), (1.0, 10.0, 100.0)) == pytest.approx(1)


def test_results_replace_those_of_the_last_run(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- results: begin -->\nold\n<!-- results: end -->\nafter\n")
    row = Row("a turn", "2 ms", "1 ms: less", 2.0, 1.5)

    put_into_page([row], page)
    put_into_page([row], page)

    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert text.count(table([row])) == 1
    assert "old" not in text
