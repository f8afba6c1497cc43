"""Telling people on stderr that something takes a while."""

from __future__ import annotations

import sys
import threading
from typing import Self

from messagedb_agent.cli.terminal import paint, write

PATIENCE_SECONDS = 0.5


class Progress:
    """Says what is being done once that has taken half a second; erases itself on a terminal."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._done = threading.Event()
        self._shown = False
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._shown:
            write(sys.stderr, "\r\x1b[K")

    def _watch(self) -> None:
        if not self._done.wait(PATIENCE_SECONDS):
            self._shown = True
            write(sys.stderr, paint(f"{self._what} …", "dim", stream=sys.stderr))
