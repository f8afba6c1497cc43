"""What a docstring tells the model: the first paragraph, and a line for each parameter."""

from __future__ import annotations

import re
from inspect import cleandoc

_SECTION = re.compile(r"(Args|Arguments|Parameters):\s*")
_ANY_SECTION = re.compile(r"[A-Z][A-Za-z ]*:\s*")
_GOOGLE = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_REST = re.compile(r":(?:param|parameter|arg|argument)\s+(?:[^:]*\s)?\*{0,2}(\w+)\s*:\s*(.*)")
_REST_ANY = re.compile(r":\w+[^:]*:")


def summary(docstring: str | None) -> str:
    """The first paragraph as one line; empty when there is none."""
    lines: list[str] = []
    for line in _lines(docstring):
        if not line.strip() or _SECTION.fullmatch(line) or _REST_ANY.match(line):
            break
        lines.append(line.strip())
    return " ".join(lines)


def parameters(docstring: str | None) -> dict[str, str]:
    """Descriptions by parameter name, from `Args:` sections and `:param name:` fields."""
    lines = _lines(docstring)
    found = {**_google(lines), **_rest(lines)}
    return {name: text for name, text in found.items() if text}


def _lines(docstring: str | None) -> list[str]:
    return cleandoc(docstring or "").splitlines()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _google(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    inside, level, current = False, 0, ""
    for line in lines:
        if _indent(line) == 0 and line.strip():
            inside = bool(_SECTION.fullmatch(line))
            level, current = 0, ""
        elif inside and line.strip():
            level = level or _indent(line)
            start = _GOOGLE.fullmatch(line.strip()) if _indent(line) <= level else None
            if start:
                current = start[1]
                found[current] = start[2]
            elif current:
                found[current] = f"{found[current]} {line.strip()}".strip()
    return found


def _rest(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    current = ""
    for line in lines:
        text = line.strip()
        if start := _REST.fullmatch(text):
            current = start[1]
            found[current] = start[2]
        elif not text or _REST_ANY.match(text) or _ANY_SECTION.fullmatch(line):
            current = ""
        elif current:
            found[current] = f"{found[current]} {text}".strip()
    return found
