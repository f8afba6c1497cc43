"""A pocket calculator."""

from __future__ import annotations

from messagedb_agent.tools.define import tool


@tool(permission="allow", recovery="retry")
def calculate(expression: str) -> int | float:
    """
    Compute the value of an arithmetic expression.

    Args:
        expression: Numbers, + - * / // % ** and parentheses, the constants pi, e, tau, and
            sqrt, sin, cos, tan (radians), log, ln, log10, log2, exp, abs, round, min, max,
            floor, ceil, factorial. Example: "sqrt(2) * (3 + 4) ** 2".
    """
    from messagedb_agent.tools.builtin.arithmetic import (  # noqa: PLC0415  compiles a large pattern
        evaluate,
    )

    return evaluate(expression)
