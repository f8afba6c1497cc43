"""Text that has to fit: one line, so many columns."""

from __future__ import annotations

import os
import sys
import unicodedata

from messagedb_agent.cli.terminal import visible

PIPE_WIDTH = 160
"""How wide a line may be where nobody sees the edge."""


def terminal_width() -> int:
    """The columns of the terminal that stdout is; `PIPE_WIDTH` when it is none."""
    if not sys.stdout.isatty():
        return PIPE_WIDTH
    try:
        return int(os.environ.get("COLUMNS", "")) or PIPE_WIDTH
    except ValueError:
        pass
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or PIPE_WIDTH
    except OSError:
        return PIPE_WIDTH


def one_line(text: str) -> str:
    """The text in one line, safe to print."""
    return visible(" ".join(text.split()))


def shorten(text: str, width: int) -> str:
    """The beginning of a one-line text that fits into so many columns."""
    if width_of(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _columns(character)
        if used > width - 1:
            break
        kept.append(character)
    return f"{''.join(kept).rstrip()}…"


def pad(text: str, width: int) -> str:
    """The text, filled up with spaces to so many columns."""
    return text + " " * (width - width_of(text))


def width_of(text: str) -> int:
    """The columns that a text takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
