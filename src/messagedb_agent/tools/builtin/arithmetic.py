"""
Arithmetic on text, with Python's rules for numbers.

Python's own parser is not used: it builds whatever it is given before anyone can look, it
warns on stderr, and deep nesting can exhaust its C stack. This one knows numbers, operators
and a few functions, computes while it reads, and checks the size of each result before it
is computed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.bounds import (
    CONSTANTS,
    FUNCTIONS,
    OPERATORS,
    Number,
    bounded,
)

MAX_CHARACTERS = 4_000
MAX_NESTING = 50

_SPELLINGS = str.maketrans(
    {
        "\N{MULTIPLICATION SIGN}": "*",
        "\N{MIDDLE DOT}": "*",
        "\N{DIVISION SIGN}": "/",
        "\N{MINUS SIGN}": "-",
        "\N{EN DASH}": "-",
    }
)
_TOKEN = re.compile(
    r"\s*(?:(?P<number>0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO][0-7]+"
    r"|(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<mark>\*\*|//|[-+*/%(),])"
    r"|(?P<end>$)|(?P<wrong>.))",
    re.DOTALL,
)
_HINTS = {
    "^": "for powers write **",
    "!": "for factorials write factorial(n)",
    "=": "give one expression; there are no variables and no comparisons",
    "<": "there are no comparisons",
    ">": "there are no comparisons",
}

Token: TypeAlias = tuple[str, str, int]
"""Its kind, its text, and where it starts."""


def evaluate(expression: str) -> Number:
    """
    The value of an arithmetic expression.

    Raises `ToolError` when it is none, is too long or too deeply nested, or has no finite
    real value of bounded size.
    """
    if len(expression) > MAX_CHARACTERS:
        raise ToolError(
            f"the expression has {len(expression)} characters; at most {MAX_CHARACTERS} are allowed"
        )
    reader = _Reader(_tokens(expression.translate(_SPELLINGS)))
    value = reader.sum()
    reader.expect("end")
    return value


def _tokens(text: str) -> list[Token]:
    found: list[Token] = []
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "wrong"
        token = (kind, match[kind], match.start(kind))
        if kind == "wrong":
            raise _unexpected(token)
        found.append(token)
        if kind == "end":
            break
    return found


def _unexpected(token: Token) -> ToolError:
    kind, text, start = token
    if kind == "end":
        return ToolError("the expression ends too early")
    hint = f"; {_HINTS[text]}" if text in _HINTS else ""
    return ToolError(f"unexpected {text[:50]!r} at character {start + 1}{hint}")


class _Reader:
    """Reads tokens from left to right, one method for each level of Python's precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0

    def sum(self) -> Number:
        """Terms joined by + and -."""
        return self._joined(self._term, {"+", "-"})

    def expect(self, *texts: str) -> str:
        """Take the next token if it is one of these, or "end" at the end."""
        token = self._tokens[self._next]
        if (token[1] or token[0]) not in texts:
            raise _unexpected(token)
        self._next += 1
        return token[1]

    def _term(self) -> Number:
        return self._joined(self._signed, {"*", "/", "//", "%"})

    def _joined(self, operand: Callable[[], Number], marks: set[str]) -> Number:
        value = operand()
        while self._peek() in marks:
            operator = OPERATORS[self.expect(*marks)]
            value = bounded(operator, value, operand())
        return value

    def _signed(self) -> Number:
        negative = False
        while self._peek() in {"+", "-"}:
            negative ^= self.expect("+", "-") == "-"
        value = self._power()
        return -value if negative else value

    def _power(self) -> Number:
        base = self._atom()
        if self._peek() != "**":
            return base
        self.expect("**")
        return bounded(OPERATORS["**"], base, self._nested(self._signed))

    def _atom(self) -> Number:
        kind, text, _ = token = self._tokens[self._next]
        self._next += 1
        if kind == "number":
            return _number(text)
        if kind == "name":
            return self._named(text)
        if text == "(":
            value = self._nested(self.sum)
            self.expect(")")
            return value
        raise _unexpected(token)

    def _named(self, name: str) -> Number:
        if name in CONSTANTS:
            return CONSTANTS[name]
        if name not in FUNCTIONS:
            known = ", ".join([*FUNCTIONS, *CONSTANTS])
            raise ToolError(f"unknown name {name[:50]!r}; known are {known}")
        self.expect("(")
        arguments = [self._nested(self.sum)]
        while self.expect(",", ")") == ",":
            arguments.append(self._nested(self.sum))
        return bounded(FUNCTIONS[name], *arguments)

    def _nested(self, read: Callable[[], Number]) -> Number:
        if self._depth >= MAX_NESTING:
            raise ToolError(f"the expression is nested more than {MAX_NESTING} levels deep")
        self._depth += 1
        value = read()
        self._depth -= 1
        return value

    def _peek(self) -> str:
        return self._tokens[self._next][1]


def _number(text: str) -> Number:
    plain = text.replace("_", "")
    if plain[:2].lower() in {"0x", "0b", "0o"}:
        return bounded(lambda: int(plain, 0))
    return bounded(lambda: int(plain) if plain.isdecimal() else float(plain))
