"""Markdown for the terminal: what most answers use of it, and nothing that could surprise."""

from __future__ import annotations

import re
from collections.abc import Iterator

from messagedb_agent.cli.terminal import paint, visible

_FENCE = re.compile(r"^\s{0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(.+?)\s*#*$")
_BULLET = re.compile(r"^(\s*)[-*+]\s+(?=\S)")
_QUOTE = re.compile(r"^\s{0,3}>\s?")
_RULE = re.compile(r"^ {0,3}([-*_])(?:\s*\1){2,}\s*$")
_INLINE = re.compile(
    r"(?P<ticks>`+)(?P<code>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|\*\*(?P<bold>[^*\s](?:[^*]*[^*\s])?)\*\*"
)


def rendered(text: str) -> str:
    """The text with its marks turned into colours; only for streams that have them."""
    return "\n".join(_lines(visible(text)))


def _lines(text: str) -> Iterator[str]:
    fence = ""
    for line in text.split("\n"):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
            else:
                yield paint(f"  {line}", "cyan")
        elif found:
            fence = found[1]
        else:
            yield _line(line)


def _line(line: str) -> str:
    if heading := _HEADING.match(line):
        return paint(heading[1].replace("**", ""), "bold")
    if _RULE.match(line):
        return paint("─" * 20, "dim")
    if quote := _QUOTE.match(line):
        return paint(f"│ {line[quote.end() :]}", "dim")
    return _INLINE.sub(_span, _BULLET.sub(r"\1• ", line))


def _span(found: re.Match[str]) -> str:
    if found["code"] is not None:
        return paint(found["code"], "cyan")
    return paint(found["bold"], "bold")
