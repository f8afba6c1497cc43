"""Tokens used, as the providers counted them."""

from __future__ import annotations

from typing import Any

import msgspec

from messagedb_agent.events.agent import LLMResponseReceived
from messagedb_agent.projections.base import Projection


class TokenUsage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Sums over all model calls of a thread."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _add(state: TokenUsage, event: LLMResponseReceived) -> TokenUsage:
    usage = event.token_usage
    if not usage or not isinstance(usage, dict):
        return state
    read, written = _number(usage.get("input_tokens")), _number(usage.get("output_tokens"))
    return TokenUsage(
        input_tokens=state.input_tokens + read,
        output_tokens=state.output_tokens + written,
        total_tokens=state.total_tokens + (_number(usage.get("total_tokens")) or read + written),
        cache_read_tokens=state.cache_read_tokens + _number(usage.get("cache_read_tokens")),
        cache_write_tokens=state.cache_write_tokens + _number(usage.get("cache_write_tokens")),
    )


USAGE: Projection[TokenUsage] = Projection(
    name="usage", version=1, initial=TokenUsage(), handlers={LLMResponseReceived: _add}
)
