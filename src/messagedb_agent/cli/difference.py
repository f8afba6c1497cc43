"""How what two threads say differs: line by line, or side by side."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from unicodedata import east_asian_width

from messagedb_agent.cli.terminal import paint

_CONTEXT = 3
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
_MARKS = {"equal": " ", "replace": "|", "delete": "<", "insert": ">"}


def unified(one: Sequence[str], two: Sequence[str], names: tuple[str, str]) -> Iterator[str]:
    """The lines of a unified diff, none when there is no difference."""
    for line in difflib.unified_diff(one, two, *names, lineterm=""):
        colour = _COLOURS.get(line[:1])
        yield paint(line, colour) if colour else line


def side_by_side(
    one: Sequence[str], two: Sequence[str], names: tuple[str, str], width: int
) -> Iterator[str]:
    """
    Two columns within `width` characters, none when there is no difference.

    Between them `|` marks lines that differ, `<` and `>` lines that only one side has. Equal
    lines far from any difference are left out.
    """
    if one == two:
        return
    column = max(10, (width - 3) // 2)
    matcher = difflib.SequenceMatcher(a=one, b=two, autojunk=False)
    yield _row(names[0], " ", names[1], column)
    yield "─" * column + "─┬─" + "─" * column
    shown = (0, 0)
    for group in matcher.get_grouped_opcodes(_CONTEXT):
        if (group[0][1], group[0][3]) != shown:
            yield _row("…", " ", "…", column)
        for kind, a, b, c, d in group:
            for left, right in zip_longest(one[a:b], two[c:d]):
                yield from _lines(left, right, kind, column)
            shown = (b, d)
    if shown != (len(one), len(two)):
        yield _row("…", " ", "…", column)


def _lines(left: str | None, right: str | None, kind: str, column: int) -> Iterator[str]:
    # Of a changed passage one side may be longer: its last lines have nothing beside them.
    mark = "<" if right is None else ">" if left is None else _MARKS[kind]
    for first, second in zip_longest(_wrapped(left, column), _wrapped(right, column), fillvalue=""):
        yield _row(first, mark, second, column)


def _wrapped(line: str | None, column: int) -> list[str]:
    if not line:
        return [""]
    # Wide characters fill two cells; half the width holds any of them.
    wide = any(east_asian_width(each) in "WF" for each in line)
    return textwrap.wrap(line, column // 2 if wide else column, drop_whitespace=False) or [""]


def _row(left: str, mark: str, right: str, column: int) -> str:
    cells = sum(2 if east_asian_width(each) in "WF" else 1 for each in left)
    gap = " " * max(0, column - cells)
    if mark != " ":
        left, right = paint(left, "red"), paint(right, "green")
    return f"{left}{gap} {mark if mark != ' ' else '│'} {right}".rstrip()
