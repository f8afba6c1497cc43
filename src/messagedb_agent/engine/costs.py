"""Tokens and their cost, in the same words wherever they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from messagedb_agent.store.summaries.parts import TOKENS

if TYPE_CHECKING:
    from messagedb_agent.store.usage import UsageSum

_folder_of_rates: Callable[[], Path | None] | None = None


def keep_rates_in(folder: Callable[[], Path | None]) -> None:
    """
    Where the rates of models may be kept, asked for when a cost is first to be told.

    Only how long that takes depends on it.
    """
    global _folder_of_rates  # noqa: PLW0603 - one for the process, as the price tables are
    _folder_of_rates = folder


def no_usage() -> dict[str, Any]:
    """The usage of nothing, which costs nothing."""
    return {**dict.fromkeys(TOKENS, 0), "cost_usd": 0.0}


def add_call(usage: dict[str, Any], model_name: str, tokens: Any, on: date | None = None) -> None:
    """Add one call to a usage, at the prices of that day (today's)."""
    from messagedb_agent.projections.turn import total_tokens  # noqa: PLC0415 - `show` needs it only where a model was called

    counts: Mapping[str, Any] = tokens if isinstance(tokens, dict) else {}
    for name in TOKENS:
        value = counts.get(name)
        usage[name] += value if isinstance(value, int) and name != "total_tokens" else 0
    usage["total_tokens"] += total_tokens(counts)
    _add_cost(usage, _cost(model_name, counts, on))


def summed(rows: Iterable[UsageSum]) -> dict[str, Any]:
    """The usage of many calls; `cost_usd` is None when the price of one is not known."""
    usage = no_usage()
    for row in rows:
        for name in TOKENS:
            usage[name] += getattr(row, name)
        each = {name: getattr(row, name) / row.calls for name in TOKENS}
        price = _cost(row.model_name, each, row.day)
        # Within a row the prompts are of one price class, so the mean call has the mean price.
        _add_cost(usage, None if price is None else price * row.calls)
    return usage


def look_up(model_name: str) -> None:
    """Have at hand what this model charges, for those who tell costs later."""
    _cost(model_name, {"input_tokens": 1})


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


def _cost(model_name: str, tokens: Mapping[str, Any], on: date | None = None) -> float | None:
    if not any(tokens.values()):
        return 0.0
    from messagedb_agent.llm.prices import cost_of  # noqa: PLC0415 - most commands tell no cost

    return cost_of(model_name, tokens, on, kept_in=_folder_of_rates and _folder_of_rates())
