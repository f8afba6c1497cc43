"""Telling people on stderr that something takes a while."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import Self

from messagedb_agent.cli.terminal import paint, write
from messagedb_agent.cli.text import shorten

PATIENCE_SECONDS = 0.5
_TURN_SECONDS = 0.1
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "|/-\\"


class Progress:
    """
    Says what is being done once that has taken half a second; erases itself.

    Only on a terminal. Use as a context manager, or `begin` and `end` it, any number of times.
    """

    def __init__(self, what: str = "") -> None:
        self._what = what
        self._done: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.begin(self._what)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.end()

    def begin(self, what: str) -> None:
        """This is being done now."""
        self.end()
        if sys.stderr.isatty():
            self._done = threading.Event()
            self._thread = threading.Thread(target=_turn, args=(what, self._done), daemon=True)
            self._thread.start()

    def end(self) -> None:
        """It is done, and nothing is left on the line."""
        if self._done is not None and self._thread is not None:
            self._done.set()
            self._thread.join()
            self._done = self._thread = None


def _turn(what: str, done: threading.Event) -> None:
    began = time.monotonic()
    if done.wait(PATIENCE_SECONDS):
        return
    encoding = (sys.stderr.encoding or "").lower()
    frames = _FRAMES if encoding.startswith("utf") else _PLAIN_FRAMES
    # Of a line that wraps, only the last part could be erased.
    what = shorten(what, max(10, shutil.get_terminal_size().columns - 12))
    turns = 0
    while not done.is_set():
        seconds = int(time.monotonic() - began)
        told = f"{frames[turns % len(frames)]} {what}{f' {seconds} s' if seconds else ''}"
        write(sys.stderr, f"\r\x1b[K{paint(told, 'dim', stream=sys.stderr)}")
        turns += 1
        done.wait(_TURN_SECONDS)
    write(sys.stderr, "\r\x1b[K")
