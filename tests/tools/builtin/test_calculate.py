from __future__ import annotations

import math
import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.arithmetic import evaluate
from messagedb_agent.tools.builtin.bounds import MAX_BITS
from messagedb_agent.tools.builtin.calculate import calculate
from tests.tools.conftest import Call

Number = int | float


def test_the_tool_computes(call: Call) -> None:
    assert call(calculate, expression="6 * 7") == 42


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3 ** 2", 19),
        ("-2 ** 2", -4),
        ("2 ** -1", 0.5),
        ("2 ** 3 ** 2", 512),
        ("7 // -2", -4),
        ("7 % -3", -2),
        ("-+-3", 3),
        ("8 / 2", 4.0),
        ("1_000 + 0x1f", 1031),
        (".5 + 5. + 1e2", 105.5),
        ("1\n + 2", 3),
        ("3 × 4 ÷ 2 − 1", 5.0),  # noqa: RUF001  as people and models write them
        ("sqrt(16) + abs(-2)", 6.0),
        ("sin(pi / 2) + cos(0) + tan(0)", 2.0),
        ("log(e) + ln(e) + log10(100) + log2(8)", 7.0),
        ("log(8, 2)", 3.0),
        ("exp(0)", 1.0),
        ("round(2.567, 2) + round(2.5)", 4.57),
        ("min(3, 1, 2) + max(3, 1, 2)", 4),
        ("floor(2.7) + ceil(2.2)", 5),
        ("factorial(20)", math.factorial(20)),
        ("tau / pi", 2.0),
        ("2 ** 4095", 2**4095),
        ("+".join(["1"] * 1900), 1900),
        ("-" * 3999 + "1", -1),
    ],
)
def test_arithmetic_is_pythons(expression: str, value: Number) -> None:
    found = evaluate(expression)

    assert found == pytest.approx(value)
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("9**9**9", "too large"),
        ("(1e308*10)", "overflow"),
        ("1e308*10", "overflow"),
        ("1e999", "overflow"),
        pytest.param("(" * 10_000 + "1" + ")" * 10_000, "characters", id="very many parentheses"),
        pytest.param("(" * 1_000 + "1" + ")" * 1_000, "nested", id="many parentheses"),
        pytest.param("2**" * 1_000 + "1", "nested", id="many powers"),
        pytest.param("min(" * 500 + "1" + ")" * 500, "nested", id="many calls"),
        pytest.param("1" * 1_000_000, "characters", id="many digits"),
        pytest.param("1+" * 500_000, "characters", id="many terms"),
        pytest.param("9" * 3_000, "too large", id="a long number"),
        ("2**100000", "too large"),
        ("2**4096", "too large"),
        ("2**(10**300)", "too large"),
        ("2.0**(10**300)", "overflow"),
        ("10**1000*10**1000", "too large"),
        ("factorial(10**9)", "too large"),
        ("factorial(600)", "too large"),
        ("factorial(-1)", "not defined"),
        ("factorial(2.5)", "whole number"),
        ("round(5, -10**9)", "at most 400 digits"),
        ("10**400*1.0", "overflow"),
        ("exp(1000)", "overflow"),
        ("1/0", "division by zero"),
        ("1%0", "division by zero"),
        ("0**-1", "division by zero"),
        ("(-1)**0.5", "not a real number"),
        ("sqrt(-1)", "not defined"),
        ("log(0)", "not defined"),
        ("sqrt(1, 2)", "wrong arguments"),
        ("max()", "unexpected '\\)'"),
        ('"a"*10**9', "unexpected '\"'"),
        ("'a'*9", "unexpected"),
        ("().__class__", "unexpected '\\.'"),
        ("(1).real", "unexpected '\\.'"),
        ("__import__('os')", "unexpected"),
        ("__import__(1)", "unknown name '__import__'"),
        ("lambda: 1", "unexpected"),
        ("[x for x in (1,)]", "unexpected"),
        ("x := 1", "unexpected ':'"),
        ("x", "unknown name 'x'; known are sqrt"),
        ("inf", "unknown name"),
        ("pi(2)", "unexpected '\\('"),
        ("sqrt", "too early"),
        ("2^3", "for powers write \\*\\*"),
        ("5!", "factorial\\(n\\)"),
        ("1 = 1", "no comparisons"),
        ("1 < 2", "no comparisons"),
        ("1,2", "unexpected ','"),
        ("1 2", "unexpected '2' at character 3"),
        ("2(3)", "unexpected '\\('"),
        ("(1", "too early"),
        ("1)", "unexpected '\\)'"),
        ("1 +", "too early"),
        ("", "too early"),
        (" \n ", "too early"),
        ("1j", "unexpected 'j'"),
        ("\0", "unexpected"),
        ("\N{ARABIC-INDIC DIGIT THREE}", "unexpected"),
        ("\ud800", "unexpected"),
    ],
)
def test_what_has_no_bounded_value_is_a_clear_error(expression: str, complaint: str) -> None:
    with pytest.raises(ToolError, match=complaint) as raised:
        evaluate(expression)

    assert len(str(raised.value)) < 300


class Tried:
    """An expression's text and what Python makes of it, or that it fails."""

    def __init__(self, text: str, compute: Callable[[], Number]) -> None:
        self.text = text
        try:
            value = compute()
        except (ArithmeticError, ValueError):
            self.value: Number | None = None
        else:
            self.value = value if math.isfinite(value) else None

    def __repr__(self) -> str:
        return f"{self.text} = {self.value}"


OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}


def joined(left: Tried, mark: str, right: Tried) -> Tried:
    def compute() -> Number:
        if left.value is None or right.value is None:
            raise ValueError
        value: Number = OPERATORS[mark](left.value, right.value)
        return value

    return Tried(f"({left.text}) {mark} ({right.text})", compute)


def negated(inner: Tried) -> Tried:
    return joined(Tried("0", lambda: 0), "-", inner)


NUMBERS = (st.integers(0, 10**6) | st.floats(0, 1e12, allow_subnormal=False)).map(
    lambda n: Tried(repr(n), lambda: n)
)
EXPRESSIONS = st.recursive(
    NUMBERS,
    lambda inner: (
        st.builds(joined, inner, st.sampled_from(sorted(OPERATORS)), inner)
        | st.builds(negated, inner)
    ),
    max_leaves=12,
)


@given(expression=EXPRESSIONS)
def test_it_agrees_with_python(expression: Tried) -> None:
    if expression.value is None:
        with pytest.raises(ToolError):
            evaluate(expression.text)
    else:
        assert evaluate(expression.text) == expression.value


@given(first=NUMBERS, marks=st.lists(st.tuples(st.sampled_from("+-"), NUMBERS), max_size=20))
def test_chains_are_read_from_the_left(first: Tried, marks: list[tuple[str, Tried]]) -> None:
    text, value = first.text, first.value or 0
    for mark, number in marks:
        text += f"{mark}{number.text}"
        value = OPERATORS[mark](value, number.value)

    assert evaluate(text) == value


@given(text=st.text("0123456789.+-*/%(), eEpixsqrtlogfa_×^!j", max_size=60))  # noqa: RUF001  hostile on purpose
def test_any_text_has_a_finite_value_or_is_a_tool_error(text: str) -> None:
    try:
        value = evaluate(text)
    except ToolError:
        return
    assert math.isfinite(value) if isinstance(value, float) else value.bit_length() <= MAX_BITS
