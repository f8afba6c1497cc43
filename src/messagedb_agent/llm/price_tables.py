"""The tables of genai-prices: asked for a price, or for the rates that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

from messagedb_agent.llm.rates import KINDS, Counts, Offers, Period, PriceList, Rate, price

_PACKAGE = "genai_prices"
_RATES = {
    "input_tokens": "input_mtok",
    "output_tokens": "output_mtok",
    "cache_read_tokens": "cache_read_mtok",
    "cache_write_tokens": "cache_write_mtok",
}
_SOME_DAY = date(2024, 1, 1)
_SOME_PROMPT = 1000


def edition() -> str | None:
    """
    Which tables are installed, in words that change with them; None without any.

    Only looks at files: to ask the package, or for its version, takes far longer.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    versions = sorted(found.name for found in folder.parent.glob(f"{_PACKAGE}-*"))
    files = [file.stat() for file in folder.glob("*.py")]
    size, newest = sum(file.st_size for file in files), max(file.st_mtime_ns for file in files)
    return f"{' '.join(versions)}, {size} bytes of {newest}"


def ask(model_name: str, counts: Counts, on: date) -> float | None:
    """US dollars of a call on that day; None when the tables don't know the model."""
    for provider, name in _references(model_name):
        try:
            return _calculated(provider, name, counts, on)
        except (LookupError, ValueError):
            continue
    return None


def offers_of(model_name: str) -> Offers | None:
    """
    The rates that `ask` would use.

    None when they are of a form that `rates` can't tell; what it tells is tried first.
    """
    offers: list[PriceList] = []
    for provider, name in _references(model_name):
        try:
            periods = _periods(provider, name)
        except LookupError:
            continue
        if periods is None or not all(
            _agree(periods, provider, name, counts, on) for counts, on in _probes(periods)
        ):
            return None
        if periods not in offers:
            offers.append(periods)
    return tuple(offers)


def _references(model_name: str) -> tuple[tuple[str, str], ...]:
    """Under which names the tables may have the model: of a provider, by its name there."""
    kind, _, name = model_name.partition(":")
    if kind in ("anthropic", "openai") and name:
        return ((kind, name),)
    return (("google", model_name), ("anthropic", model_name))


def _calculated(provider: str, name: str, counts: Counts, on: date) -> float:
    return float(_calculation(provider, name, counts, on).total_price)


def _calculation(provider: str, name: str, counts: Counts, on: date) -> Any:
    prices: Any = import_module(_PACKAGE)
    return prices.calc_price(
        prices.Usage(**counts),
        model_ref=name,
        provider_id=provider,
        genai_request_timestamp=datetime.combine(on, time(12), UTC),
    )


def _periods(provider: str, name: str) -> PriceList | None:
    found = _calculation(provider, name, dict.fromkeys(KINDS, 0), _SOME_DAY).model.prices
    periods = []
    for conditional in found if isinstance(found, list) else [None]:
        constraint = conditional and conditional.constraint
        since = getattr(constraint, "start_date", None)
        if constraint is not None and since is None:
            return None
        rates = conditional.prices if conditional else found
        periods.append(Period(since, tuple(_rates(rates))))
    return tuple(periods)


def _rates(prices: Any) -> Iterator[Rate]:
    for kind, key in _RATES.items():
        value = getattr(prices, key)
        if isinstance(value, Decimal):
            yield Rate(kind, value)
        elif value is not None:
            yield Rate(kind, value.base, tuple((tier.start, tier.price) for tier in value.tiers))


def _probes(periods: PriceList) -> Iterator[tuple[Counts, date]]:
    """Calls on both sides of each border, with and without a cache."""
    starts = {period.since for period in periods if period.since}
    days = {_SOME_DAY} | starts | {start - timedelta(days=1) for start in starts}
    rates = [rate for period in periods for rate in period.rates]
    tiers = {start for rate in rates for start, _ in rate.tiers}
    prompts = {0, _SOME_PROMPT} | tiers | {start + 1 for start in tiers}
    for on, prompt, read, written in product(days, prompts, (0, 2), (0, 3)):
        counts = (prompt, prompt + 1, read and prompt // read, written and prompt // written)
        yield dict(zip(KINDS, counts, strict=True)), on


def _agree(periods: PriceList, provider: str, name: str, counts: Counts, on: date) -> bool:
    return price((periods,), counts, on) == _calculated(provider, name, counts, on)
