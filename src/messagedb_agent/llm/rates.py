"""What a model charges, as numbers: rates by kind of token, and from which day on. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import TypeAlias

import msgspec

Counts: TypeAlias = Mapping[str, float]
"""How many tokens of each kind: those of the prompt, and which of them a cache had or took."""

PROMPT = "input_tokens"
ANSWER = "output_tokens"
PARTS_OF_PROMPT = ("cache_read_tokens", "cache_write_tokens")
KINDS = (PROMPT, ANSWER, *PARTS_OF_PROMPT)

_EXACTLY = Context(prec=1000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_MILLION = 1_000_000


class Rate(msgspec.Struct, frozen=True):
    """US dollars per million tokens of a kind; `tiers` are those of longer prompts, ascending."""

    kind: str
    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, prompt: float) -> Decimal:
        """The rate for all tokens of a call with so long a prompt."""
        for start, price in reversed(self.tiers):
            if prompt > start:
                return price
        return self.base


class Period(msgspec.Struct, frozen=True):
    """The rates from a day on; those without a day are always valid."""

    since: date | None
    rates: tuple[Rate, ...]


PriceList: TypeAlias = tuple[Period, ...]
"""What one offer of a model costs. The last period that has begun is the one that counts."""


Offers: TypeAlias = tuple[PriceList, ...]
"""What those charge who may be meant by a name; nobody does for a model without a price."""


def price(offers: Offers, counts: Counts, on: date) -> float | None:
    """US dollars by the first offer that the counts make sense for; None without one."""
    for periods in offers:
        total = _total(_valid(periods, on), counts)
        if total is not None:
            return float(total)
    return None


def _valid(periods: PriceList, on: date) -> tuple[Rate, ...]:
    for period in reversed(periods):
        if period.since is None or on >= period.since:
            return period.rates
    return periods[0].rates


def _total(rates: tuple[Rate, ...], counts: Counts) -> Decimal | None:
    """None when a part is larger than the whole."""
    kinds = [rate.kind for rate in rates]
    total = Decimal(0)
    for rate in rates:
        parts = [kind for kind in PARTS_OF_PROMPT if kind in kinds and rate.kind == PROMPT]
        # What has a rate of its own is not charged twice.
        count = _less(counts[rate.kind], [counts[part] for part in parts])
        if count < 0:
            return None
        total += rate.at(counts[PROMPT]) * _decimal(count) / _MILLION
    return total


def _less(whole: float, parts: list[float]) -> float:
    if all(isinstance(count, int) for count in (whole, *parts)):
        return whole - sum(parts)
    left = _decimal(whole)
    for part in parts:
        left = _EXACTLY.subtract(left, _decimal(part))
    return float(left)


def _decimal(count: float) -> Decimal:
    return Decimal(count) if isinstance(count, int) else Decimal(repr(count))
