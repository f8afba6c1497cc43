"""Tokens and their cost, in the same words wherever they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from messagedb_agent.store.usage import UsageSum

TOKENS = (
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
)


def no_usage() -> dict[str, Any]:
    """The usage of nothing, which costs nothing."""
    return {**dict.fromkeys(TOKENS, 0), "cost_usd": 0.0}


def add_call(usage: dict[str, Any], model_name: str, tokens: Any) -> None:
    """Add one call to a usage."""
    from messagedb_agent.projections.turn import total_tokens  # noqa: PLC0415 - `show` needs it only where a model was called

    counts: Mapping[str, Any] = tokens if isinstance(tokens, dict) else {}
    for name in TOKENS:
        value = counts.get(name)
        usage[name] += value if isinstance(value, int) and name != "total_tokens" else 0
    usage["total_tokens"] += total_tokens(counts)
    _add_cost(usage, _cost(model_name, counts))


def summed(rows: Iterable[UsageSum]) -> dict[str, Any]:
    """The usage of many calls; `cost_usd` is None when the price of one is not known."""
    usage = no_usage()
    for row in rows:
        for name in TOKENS:
            usage[name] += getattr(row, name)
        each = {name: getattr(row, name) / row.calls for name in TOKENS}
        price = _cost(row.model_name, each, row)
        # Within a row the prompts are of one price class, so the mean call has the mean price.
        _add_cost(usage, None if price is None else price * row.calls)
    return usage


def in_words(usage: Mapping[str, Any]) -> str:
    """A usage as a line for people."""
    words = [f"{usage['input_tokens']:,} tokens in", f"{usage['output_tokens']:,} out"]
    if cached := usage["cache_read_tokens"]:
        words.insert(1, f"{cached:,} of them from cache")
    return f"{', '.join(words)} · {cost_in_words(usage['cost_usd'])}"


def cost_in_words(cost: float | None) -> str:
    """A cost for people."""
    if cost is None:
        return "cost unknown"
    return f"${cost:,.2f}" if cost >= 1 or not cost else f"${cost:.4f}"


def _add_cost(usage: dict[str, Any], cost: float | None) -> None:
    known = usage["cost_usd"]
    usage["cost_usd"] = None if known is None or cost is None else round(known + cost, 9)


def _cost(model_name: str, tokens: Mapping[str, Any], row: UsageSum | None = None) -> float | None:
    if not any(tokens.values()):
        return 0.0
    from messagedb_agent.llm.prices import cost_of  # noqa: PLC0415 - price tables take half a second to load

    return cost_of(model_name, tokens, row.day if row else None)
