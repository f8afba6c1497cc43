"""`./bench`: measure, print a table, and put it into docs/performance.md."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import msgspec

from benchmarks import (
    codec,
    commands,
    consumers,
    histories,
    listing,
    models,
    parallel,
    report,
    shards,
    streams,
    turns,
)
from benchmarks.measure import SMALLEST, Row, Scale
from benchmarks.world import World, new_world

Benchmark = Callable[[World, Scale], Iterator[Row]]

BENCHMARKS: dict[str, Benchmark] = {
    "turns": turns.run,
    "histories": histories.run,
    "codec": codec.run,
    "streams": streams.run,
    "consumers": consumers.run,
    "parallel": parallel.run,
    "shards": shards.run,
    "commands": commands.run,
    "models": models.run,
    "listing": listing.run,
}
"""In this order, as `listing` fills the database."""


def main(arguments: list[str]) -> None:
    """Run what was asked for."""
    options = _parser().parse_args(arguments)
    scale = SMALLEST if options.quick else Scale()
    if options.listed_threads:
        scale = msgspec.structs.replace(scale, listed_threads=options.listed_threads)
    rows: list[Row] = []
    with new_world() as world:
        for name in options.names or BENCHMARKS:
            print(f"{name} …", file=sys.stderr)
            rows.extend(BENCHMARKS[name](world, scale))
    print(report.table(rows))
    if not (options.names or options.quick or options.print_only):
        report.put_into_page(rows)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"only these, and only printed: {', '.join(BENCHMARKS)}",
        choices=[*BENCHMARKS, []],
    )
    parser.add_argument("--quick", action="store_true", help="see that all of it runs")
    parser.add_argument("--print-only", action="store_true", help="leave the page as it is")
    parser.add_argument(
        "--listed-threads", type=int, help="how many threads `list` chooses from (100,000)"
    )
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
