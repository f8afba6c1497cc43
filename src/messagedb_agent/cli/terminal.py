"""Writing for people and for pipes."""

from __future__ import annotations

import os
import re
import sys
from typing import TextIO

# C0 and C1 controls, but for tab and newline: a stream's content must not steer a terminal.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}


def complain(message: str) -> None:
    """One line on stderr."""
    line = " ".join(message.split())
    tell(f"messagedb-agent: {line}")


def tell(message: str) -> None:
    """A line on stderr, for the person who watches."""
    write(sys.stderr, f"{message}\n")


def say(text: str) -> None:
    """A line on stdout."""
    write(sys.stdout, f"{text}\n")


def write(stream: TextIO, text: str) -> bool:
    """
    Write and flush. False once nobody reads any more, which is no error.

    What a stream's encoding can't express, lone surrogates among it, is written as an escape.
    """
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
        return False
    return True


def _silence(stream: TextIO) -> None:
    """Lead a stream without a reader to nowhere, so that the work goes on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def is_interactive() -> bool:
    """Whether a person sits at this terminal and can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def has_colour(stream: TextIO) -> bool:
    """Whether colours help: on a terminal that has them, and nobody said no (no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, *styles: str, stream: TextIO | None = None) -> str:
    """The text in these styles, where the stream shows them."""
    if not text or not has_colour(stream or sys.stdout):
        return text
    codes = ";".join(_CODES[style] for style in styles)
    return f"\x1b[{codes}m{text}\x1b[0m"


def visible(text: str) -> str:
    """The text with control characters spelled out, so that it can only be read."""
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
