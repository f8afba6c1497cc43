"""Text from a stream, made fit to be looked at: nothing in it may steer a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# Controls but for newline; marks that reorder or hide text; halves of surrogate pairs, which no
# terminal can be sent; tags, which spell invisible words.
_UNSEEN = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)

TAB = "    "
LONGEST_TEXT = 20_000
LONGEST_LINES = 400


def visible(text: str) -> str:
    """The text with everything spelled out that can not be seen."""
    return _UNSEEN.sub(_spelled, text.replace("\r\n", "\n"))


def _spelled(match: re.Match[str]) -> str:
    character = match[0]
    if character == "\t":
        return TAB
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clipped(text: str, characters: int = LONGEST_TEXT, lines: int = LONGEST_LINES) -> str:
    """The beginning of a long text, with a last line that says how much is missing."""
    kept = "\n".join(text[:characters].split("\n", lines)[:lines])
    missing = len(text) - len(kept)
    return f"{kept}\n… {missing:,} more characters, in the event inspector" if missing else text


def one_line(text: str, width: int) -> str:
    """The beginning of a text on one line of at most `width` characters, safe to show."""
    # More than is shown, so that escapes and white space do not need the whole text.
    line = visible(" ".join(text[: width * 4].split()))
    return line if len(line) <= width else f"{line[: max(0, width - 1)]}…"


def compact(value: Any) -> str:
    """A JSON value on one line; a text as it is."""
    return value if isinstance(value, str) else _dumps(value, None)


def pretty(value: Any) -> str:
    """A JSON value over several lines; a text as it is."""
    return value if isinstance(value, str) else _dumps(value, 2)


def editable(value: Any) -> str:
    """JSON to be edited: what can not be seen stands there as JSON escapes."""
    text = _dumps(value, 2)
    return _UNSEEN.sub(lambda match: json.dumps(match[0])[1:-1], text)


def _dumps(value: Any, indent: int | None) -> str:
    if isinstance(value, Mapping):
        value = dict(value)
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, default=str)
    except (ValueError, RecursionError) as error:
        return f"[can not be shown as JSON: {error}]"


def duration(milliseconds: float) -> str:
    """How long something took, to the digits that matter."""
    if milliseconds < 1000:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds / 60_000:.0f} min"
