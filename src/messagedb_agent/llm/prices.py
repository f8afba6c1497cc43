"""What model calls cost: computed from the tables of genai-prices when asked, never stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

from messagedb_agent.errors import ModelUnavailableError

Price: TypeAlias = Callable[[str, Any], float | None]
"""US dollars of one call, by model name and `token_usage`; None when no price is known."""

_FREE = ("offline", "scripted")


def is_free(model_name: str) -> bool:
    """Whether the model lives in this process, so that nobody charges for it."""
    return model_name.partition(":")[0] in _FREE


def has_prices() -> bool:
    """Whether the price tables are installed."""
    return find_spec("genai_prices") is not None


def cost_of(model_name: str, usage: Any, on: date | None = None) -> float | None:
    """
    US dollars of a call that used so many tokens, at list prices of that day (today's).

    None when the tables are not installed or don't know the model. What a server behind
    `openai:` really charges nobody knows; the price is OpenAI's, for names that it has.
    """
    if is_free(model_name):
        return 0.0
    counts = usage if isinstance(usage, Mapping) else {}
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return _cost(model_name, tuple(_number(counts.get(name)) for name in names), on)


def prices_for(model_name: str) -> Price:
    """
    The price function for a run with this model.

    Raises `ModelUnavailableError` when no price is known: a budget that can't be watched
    must not seem to be.
    """
    if not is_free(model_name) and cost_of(model_name, {"input_tokens": 1000}) is None:
        if not has_prices():
            raise ModelUnavailableError(
                "a cost limit needs price tables: run `pip install 'messagedb-agent[prices]'`"
            )
        raise ModelUnavailableError(
            f"no price is known for {model_name}, so its cost can't be limited; use --max-tokens"
        )
    return cost_of


@lru_cache(maxsize=4096)
def _cost(model_name: str, counts: tuple[float, ...], on: date | None) -> float | None:
    if not has_prices():
        return None
    prices: Any = import_module("genai_prices")
    tokens_in, tokens_out, read, written = counts
    usage = prices.Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        cache_read_tokens=read,
        cache_write_tokens=written,
    )
    when = datetime.combine(on, time(12), UTC) if on else None
    for provider, name in _references(model_name):
        try:
            price = prices.calc_price(
                usage, model_ref=name, provider_id=provider, genai_request_timestamp=when
            )
        except (LookupError, ValueError):
            continue
        return float(price.total_price)
    return None


def _references(model_name: str) -> tuple[tuple[str, str], ...]:
    """Under which names the tables may have the model: of a provider, by its name there."""
    kind, _, name = model_name.partition(":")
    if kind in ("anthropic", "openai") and name:
        return ((kind, name),)
    return (("google", model_name), ("anthropic", model_name))


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
