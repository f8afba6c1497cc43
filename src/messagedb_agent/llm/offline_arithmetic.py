"""Finds an arithmetic expression in a line of everyday language. Pure, in linear time."""

from __future__ import annotations

import re

_WORDS = (
    (re.compile(r"(\d)\s?% of\b", re.IGNORECASE), r"\1 / 100 *"),
    (re.compile(r"\bdivided by\b", re.IGNORECASE), "/"),
    (re.compile(r"\bmultiplied by\b|\btimes\b|[\u00d7\u00b7\u22c5]", re.IGNORECASE), "*"),
    (re.compile(r"(?<=\d)\s?x\s?(?=\d)", re.IGNORECASE), " * "),
    (re.compile(r"\bplus\b", re.IGNORECASE), "+"),
    (re.compile(r"\bminus\b|\u2212", re.IGNORECASE), "-"),
    (re.compile(r"\b(?:modulo|mod)\b", re.IGNORECASE), "%"),
    (re.compile(r"\b(?:raised )?to the power of\b|\^", re.IGNORECASE), "**"),
    (re.compile(r"\bsquared\b", re.IGNORECASE), "** 2"),
    (re.compile(r"\bcubed\b", re.IGNORECASE), "** 3"),
    (re.compile(r"\u00f7"), "/"),
    (re.compile(r"(?<=\d),(?=\d{3}(?!\d))"), ""),
)
_CUE = re.compile(
    r"\b(?:what is|what's|whats|what are|calculate|compute|evaluate|how much is|solve|work out"
    r"|result of|value of)\b",
    re.IGNORECASE,
)
_FUNCTION = r"\b(?:abs|ceil|exp|factorial|floor|log|max|min|round|sqrt)\("
_RUN = re.compile(rf"(?:[-+(\d.]|{_FUNCTION})(?:[-+*/%().,\d ]|{_FUNCTION})*")
_OPERATION = re.compile(rf"[\d)] ?(?:\*\*|//|[-+*/%]) ?[-+]?[\d(.a-z]|{_FUNCTION}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def find_expression(line: str) -> str | None:
    """
    The expression that a line asks for, in the notation of the `calculate` tool.

    Without a word that asks for a result, the line has to be nothing but an expression, or
    page numbers and dates would be calculated.
    """
    for pattern, symbol in _WORDS:
        line = pattern.sub(symbol, line)
    cue = _CUE.search(line)
    body = line[cue.end() :] if cue else line
    body = " ".join(body.split()).strip("=?!: ")
    runs = [run.strip(" .,") for run in _RUN.findall(body)]
    expression = max(runs, key=len, default="")
    if not cue and expression != body.rstrip(" ."):
        return None
    if not _OPERATION.search(expression) or _DATE.search(expression):
        return None
    return expression
