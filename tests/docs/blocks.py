"""The fenced blocks of a document, and what is expected of each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LANGUAGES = frozenset({"sh", "python", "console", "sql", "text", "json", "toml", "ini"})

_FENCE = re.compile(
    r"^(?P<ticks>`{3,})(?P<info>[^`\n]*)\n(?P<body>.*?)^(?P=ticks)\s*$", re.MULTILINE | re.DOTALL
)
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"\([\d.]+ ms\)"), "(<ms>)"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?"), "<time>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "<time>"),
)


class Block(NamedTuple):
    """One fenced block; `info` is what stands behind the opening fence."""

    document: str
    line: int
    info: str
    body: str

    @property
    def language(self) -> str:
        """The first word of `info`."""
        return self.info.split()[0] if self.info.split() else ""

    @property
    def is_run(self) -> bool:
        """Whether a reader could run it here and now."""
        return self.language in ("sh", "python", "console") and "no-run" not in self.info.split()

    @property
    def exit_code(self) -> int:
        """The exit code that `exit=N` announces, 0 without."""
        found = re.search(r"\bexit=(\d+)", self.info)
        return int(found[1]) if found else 0

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


def blocks_of(path: Path, root: Path) -> list[Block]:
    """The blocks of one document, in order."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(
            path.relative_to(root).as_posix(),
            text.count("\n", 0, found.start()) + 1,
            found["info"].strip(),
            found["body"],
        )
        for found in _FENCE.finditer(text)
    ]


def commands_of(body: str) -> Iterator[tuple[str, str]]:
    """The commands of a `console` block, each with the output that the document shows."""
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def shows(expected: str, actual: str) -> bool:
    """
    Whether an output is the documented one, but for ids and times.

    `…` stands for anything, and alone on a line for any number of lines.
    """
    pattern = re.escape(_plain(expected)).replace("\\\n…", "(\n.*)?").replace("…", ".*")
    return re.fullmatch(pattern, _plain(actual), re.DOTALL) is not None


def _plain(text: str) -> str:
    for changing, name in _CHANGING:
        text = changing.sub(name, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
