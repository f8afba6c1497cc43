"""Walk the files of a workspace, in order, following no links, and never for too long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.errors import ToolError

MAX_PATTERN = 200
MAX_VISITED = 100_000
MAX_SECONDS = 20.0
_MAX_DEPTH = 40
_SKIPPED = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", ".tox", ".mypy_cache"}
)


class Found(NamedTuple):
    """A name in an open folder; the descriptor is good until the next step of the walk."""

    parent: int
    name: str
    path: str
    is_folder: bool


class Walk:
    """
    One walk through a folder; afterwards `complete` tells whether it saw everything.

    Folders of version control and of caches are not entered.
    """

    def __init__(self, descriptor: int, cancelled: Cancellation) -> None:
        self.complete = True
        self._descriptor = descriptor
        self._cancelled = cancelled
        self._deadline = time.monotonic() + MAX_SECONDS
        self._visited = 0

    def __call__(self, *, recursive: bool) -> Iterator[Found]:
        """Everything in the folder, and with `recursive` below it; names sorted in each folder."""
        walked = os.fwalk(
            ".", dir_fd=self._descriptor, follow_symlinks=False, onerror=lambda _: self.stop()
        )
        for top, folders, files, parent in walked:
            prefix = "" if top == "." else top.removeprefix("./") + "/"
            inner = set(folders)
            for name in sorted([*folders, *files]):
                if self._exhausted():
                    self.stop()
                    return
                yield Found(parent, name, prefix + name, name in inner)
            if not recursive:
                return
            deep = prefix.count("/") >= _MAX_DEPTH
            if deep and folders:
                self.stop()
            folders[:] = [] if deep else sorted(inner - _SKIPPED)

    def stop(self) -> None:
        """Note that something was left out."""
        self.complete = False

    def _exhausted(self) -> bool:
        self._visited += 1
        return (
            self._visited > MAX_VISITED
            or time.monotonic() > self._deadline
            or self._cancelled.is_set()
        )


def matches(path: str, pattern: str) -> bool:
    """
    Whether a path fits a glob pattern: by its last part, or whole when the pattern has a slash.

    Raises `ToolError` for a pattern of more than `MAX_PATTERN` characters.
    """
    if len(pattern) > MAX_PATTERN:
        raise ToolError(f"the pattern has more than {MAX_PATTERN} characters")
    pattern = pattern.removeprefix("./")
    if "/" not in pattern:
        return fnmatchcase(path.rpartition("/")[2], pattern)
    return fnmatchcase(path, pattern) or (
        pattern.startswith("**/") and matches(path, pattern.removeprefix("**/"))
    )
