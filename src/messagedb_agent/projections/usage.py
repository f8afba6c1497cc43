"""Tokens used, as the providers counted them."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

import msgspec

from messagedb_agent.events.agent import LLMResponseReceived
from messagedb_agent.projections.base import Projection


class TokenUsage(msgspec.Struct, frozen=True, gc=False):
    """Sums over all model calls of a thread."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


_COUNTS = itemgetter("input_tokens", "output_tokens", "total_tokens")


def _add(state: TokenUsage, event: LLMResponseReceived) -> TokenUsage:
    usage = event.token_usage
    read = written = total = cached = kept = 0
    try:
        read, written, total = _COUNTS(usage)
        if len(usage) > 3:
            cached, kept = usage.get("cache_read_tokens", 0), usage.get("cache_write_tokens", 0)
        # One look at the sum is cheaper than one at each number, and a long thread has many.
        are_numbers = type(read + written + total + cached + kept) is int
    except (KeyError, TypeError):
        are_numbers = False
    if not are_numbers:
        read, written, total, cached, kept = _whole_numbers(usage)
    return TokenUsage(
        state.input_tokens + read,
        state.output_tokens + written,
        state.total_tokens + (total or read + written),
        state.cache_read_tokens + cached,
        state.cache_write_tokens + kept,
    )


def _whole_numbers(usage: Any) -> list[int]:
    """Those of a count as earlier programs and foreign servers gave it; 0 for all else."""
    found = map(usage.get if isinstance(usage, dict) else {}.get, TokenUsage.__struct_fields__)
    return [number if isinstance(number, int) else 0 for number in found]


USAGE: Projection[TokenUsage] = Projection(
    name="usage", version=1, initial=TokenUsage(), handlers={LLMResponseReceived: _add}
)
