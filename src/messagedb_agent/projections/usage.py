"""Tokens used, as the providers counted them."""

from __future__ import annotations

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


def _add(state: TokenUsage, event: LLMResponseReceived) -> TokenUsage:
    usage = event.token_usage
    if not usage or not isinstance(usage, dict):
        return state
    get = usage.get
    read, written, total = get("input_tokens", 0), get("output_tokens", 0), get("total_tokens", 0)
    cached, kept = get("cache_read_tokens", 0), get("cache_write_tokens", 0)
    try:
        # One look at the sum is cheaper than one at each number, and a long thread has many.
        are_numbers = type(read + written + total + cached + kept) is int
    except TypeError:
        are_numbers = False
    if not are_numbers:
        # Earlier programs and foreign servers put other things there.
        found = (read, written, total, cached, kept)
        read, written, total, cached, kept = [n if isinstance(n, int) else 0 for n in found]
    return TokenUsage(
        state.input_tokens + read,
        state.output_tokens + written,
        state.total_tokens + (total or read + written),
        state.cache_read_tokens + cached,
        state.cache_write_tokens + kept,
    )


USAGE: Projection[TokenUsage] = Projection(
    name="usage", version=1, initial=TokenUsage(), handlers={LLMResponseReceived: _add}
)
