"""What model calls cost: computed from the tables of genai-prices when asked, never stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.llm.kept_rates import KeptRates
from messagedb_agent.llm.price_tables import ask
from messagedb_agent.llm.rates import KINDS, price

Price: TypeAlias = Callable[[str, Any], float | None]
"""US dollars of one call, by model name and `token_usage`; None when no price is known."""

_FREE = ("offline", "scripted")
_FILE = "rates.json"


def is_free(model_name: str) -> bool:
    """Whether the model lives in this process, so that nobody charges for it."""
    return model_name.partition(":")[0] in _FREE


def has_prices() -> bool:
    """Whether the price tables are installed."""
    return find_spec("genai_prices") is not None


def cost_of(
    model_name: str, usage: Any, on: date | None = None, *, kept_in: Path | None = None
) -> float | None:
    """
    US dollars of a call that used so many tokens, at list prices of that day (today's).

    None when the tables are not installed or don't know the model. What a server behind
    `openai:` really charges nobody knows; the price is OpenAI's, for names that it has.

    Rates are kept in a file in the folder `kept_in`: to read it is a matter of a millisecond,
    to load the tables of some hundred. Without one the tables are asked, whoever renews them.
    """
    if is_free(model_name):
        return 0.0
    counts = usage if isinstance(usage, Mapping) else {}
    numbers = tuple(_number(counts.get(kind)) for kind in KINDS)
    # Nobody knows the price of less than nothing.
    if min(numbers) < 0:
        return None
    return _cost(model_name, numbers, on or datetime.now(UTC).date(), kept_in)


def prices_for(model_name: str, *, kept_in: Path | None = None) -> Price:
    """
    The price function for a run with this model.

    Raises `ModelUnavailableError` when no price is known: a budget that can't be watched
    must not seem to be.
    """
    price_of = partial(cost_of, kept_in=kept_in)
    if not is_free(model_name) and price_of(model_name, {"input_tokens": 1000}) is None:
        if not has_prices():
            raise ModelUnavailableError(
                "a cost limit needs price tables: run `pip install 'messagedb-agent[prices]'`"
            )
        raise ModelUnavailableError(
            f"no price is known for {model_name}, so its cost can't be limited; use --max-tokens"
        )
    return price_of


@lru_cache(maxsize=4096)
def _cost(
    model_name: str, numbers: tuple[float, ...], on: date, kept_in: Path | None
) -> float | None:
    if not has_prices():
        return None
    counts = dict(zip(KINDS, numbers, strict=True))
    offers = _kept(kept_in).offers(model_name) if kept_in else None
    return ask(model_name, counts, on) if offers is None else price(offers, counts, on)


@lru_cache(maxsize=8)
def _kept(folder: Path) -> KeptRates:
    return KeptRates(folder / _FILE)


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
