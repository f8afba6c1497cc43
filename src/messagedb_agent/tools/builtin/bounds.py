"""Operators and functions on real numbers whose results have a bounded size."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from messagedb_agent.errors import ToolError

Number: TypeAlias = int | float

MAX_BITS = 4_096
_MAX_FACTORIAL = 600
_MAX_DIGITS = 400


def bounded(function: Callable[..., Any], *arguments: Number) -> Number:
    """
    Apply a function to numbers.

    Raises `ToolError` when the result is no finite real number, is an integer of more than
    `MAX_BITS` bits, or doesn't exist.
    """
    try:
        value = function(*arguments)
    except ZeroDivisionError as error:
        raise ToolError("division by zero") from error
    except OverflowError as error:
        raise ToolError("overflow: a number is too large for a float") from error
    except ValueError as error:
        raise ToolError(f"a function is not defined for this value ({error})") from error
    except TypeError as error:
        raise ToolError(f"wrong arguments for a function ({error})") from error
    return _checked(value)


def _checked(value: Any) -> Number:
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise _too_large()
        return value
    if not isinstance(value, float):
        raise ToolError("the result is not a real number")
    if math.isinf(value):
        raise ToolError("overflow: a number is too large for a float")
    if math.isnan(value):
        raise ToolError("the result is not a number")
    return value


def _too_large() -> ToolError:
    return ToolError(
        f"the result is too large: integers may have {MAX_BITS} bits"
        f" (about {int(MAX_BITS * math.log10(2))} digits)"
    )


def _power(base: Number, exponent: Number) -> Any:
    # The size of an integer power is known before it is computed; computing it may take days.
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        if (base.bit_length() - 1) * exponent > MAX_BITS:
            raise _too_large()
        return float(base) ** exponent if exponent < 0 else base**exponent
    return base**exponent


def _factorial(n: Number) -> int:
    whole = _whole(n)
    if whole > _MAX_FACTORIAL:
        raise _too_large()
    return math.factorial(whole)


def _round(number: Number, digits: Number | None = None) -> Number:
    if digits is None:
        return round(number)
    whole = _whole(digits)
    if abs(whole) > _MAX_DIGITS:
        raise ToolError(f"round takes at most {_MAX_DIGITS} digits")
    return round(number, whole)


def _whole(number: Number) -> int:
    if isinstance(number, float) and not number.is_integer():
        raise ToolError("a whole number is needed here")
    return int(number)


def _log(number: Number, base: Number = math.e) -> float:
    return math.log(number) if base == math.e else math.log(number, base)


OPERATORS: Mapping[str, Callable[[Number, Number], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": _power,
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "sqrt": math.sqrt,
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "log": _log,
    "ln": math.log,
    "log10": math.log10,
    "log2": math.log2,
    "exp": math.exp,
    "abs": abs,
    "round": _round,
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "floor": math.floor,
    "ceil": math.ceil,
    "factorial": _factorial,
}

CONSTANTS: Mapping[str, float] = {"pi": math.pi, "e": math.e, "tau": math.tau}
