"""Equality that tells 1 from True and 1.0, and -0.0 from 0.0, and finds NaN equal to itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from messagedb_agent.projections.append_only import AppendOnly


def same(left: Any, right: Any) -> bool:
    """Whether two values say exactly the same; tuples count as lists, as JSON has no tuples."""
    if isinstance(left, AppendOnly):
        return type(left) is type(right) and same([*left], [*right])
    if isinstance(left, msgspec.Struct):
        return type(left) is type(right) and same(
            msgspec.structs.astuple(left), msgspec.structs.astuple(right)
        )
    if isinstance(left, Mapping):
        return (
            isinstance(right, Mapping)
            and left.keys() == right.keys()
            and all(same(left[key], right[key]) for key in left)
        )
    if isinstance(left, list | tuple):
        return (
            isinstance(right, list | tuple)
            and len(left) == len(right)
            and all(map(same, left, right))
        )
    if isinstance(left, float) and isinstance(right, float):
        return (math.isnan(left) and math.isnan(right)) or (
            left == right and math.copysign(1, left) == math.copysign(1, right)
        )
    return type(left) is type(right) and bool(left == right)
