"""The table of a run, printed and put into the documentation."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.measure import Row

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
_BEGIN, _END = "<!-- results: begin -->", "<!-- results: end -->"

_HEAD = ("| What | Ours | Floor | Ratio | Bound |", "|---|--:|---|--:|--:|")


def table(rows: Iterable[Row]) -> str:
    """The rows as Markdown."""
    return "\n".join((*_HEAD, *map(_line, rows)))


def _line(row: Row) -> str:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    bound = "" if row.bound is None else f"{row.bound:.2f}"
    return f"| {row.what} | {row.ours} | {row.floor} | {ratio} | {bound} |"


def machine() -> str:
    """What kind of machine it is, and nothing that tells which."""
    return (
        f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()}), "
        f"Python {platform.python_version()}"
    )


def put_into_page(rows: Iterable[Row], page: Path = PAGE) -> None:
    """Replace the results in the page."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        sys.exit(f"{page.name} has no place for results: {_BEGIN} … {_END}")
    results = f"Measured on a machine with {machine()}.\n\n{table(rows)}"
    page.write_text(f"{before}{begin}\n\n{results}\n\n{end}{after}", encoding="utf-8")
