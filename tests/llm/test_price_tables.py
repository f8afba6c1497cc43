from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from importlib import import_module
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messagedb_agent.llm.price_tables import ask, edition, offers_of
from messagedb_agent.llm.rates import KINDS, Offers, price

_SNAPSHOT: Any = import_module("genai_prices.data_snapshot")
_KINDS_OF_NAMES = {"anthropic": "anthropic:", "openai": "openai:", "google": ""}
NAMES = tuple(
    f"{_KINDS_OF_NAMES[provider.id]}{model.id}"
    for provider in _SNAPSHOT.get_snapshot().providers
    if provider.id in _KINDS_OF_NAMES
    for model in provider.models
)
OFFERS = {name: offers_of(name) for name in NAMES}
LENGTHS = st.integers(0, 2_000_000) | st.floats(0, 2_000_000)
DAYS = st.dates(date(2023, 1, 1), date(2030, 1, 1))


def of_the_package(name: str, numbers: tuple[float, ...], on: date) -> float | None:
    """What genai-prices itself says, under whichever name it knows the model."""
    package: Any = import_module("genai_prices")
    kind, _, plain = name.partition(":")
    for provider, known in ((kind, plain),) if plain else (("google", name), ("anthropic", name)):
        try:
            found = package.calc_price(
                package.Usage(**dict(zip(KINDS, numbers, strict=True))),
                model_ref=known,
                provider_id=provider,
                genai_request_timestamp=datetime.combine(on, time(12), UTC),
            )
        except (LookupError, ValueError):
            continue
        return float(found.total_price)
    return None


def known(name: str) -> Offers:
    offers = OFFERS[name]
    assert offers is not None
    return offers


def test_the_rates_of_every_model_can_be_told() -> None:
    assert [name for name in NAMES if OFFERS[name] is None] == []
    assert any(rate.tiers for name in NAMES for offer in known(name) for rate in offer[0].rates)


@pytest.mark.parametrize("name", NAMES)
def test_rates_give_the_price_of_the_package_at_each_border(name: str) -> None:
    periods = [period for offer in known(name) for period in offer]
    starts = {period.since for period in periods if period.since}
    tiers = {start for period in periods for rate in period.rates for start, _ in rate.tiers}
    for on in {date(2025, 6, 1)} | starts | {start - timedelta(days=1) for start in starts}:
        for prompt in {10} | tiers | {start + 1 for start in tiers}:
            numbers = (prompt, 5, prompt // 2, 1)
            counts = dict(zip(KINDS, numbers, strict=True))
            assert price(known(name), counts, on) == of_the_package(name, numbers, on)


@settings(max_examples=300)
@given(name=st.sampled_from(NAMES), numbers=st.tuples(LENGTHS, LENGTHS, LENGTHS, LENGTHS), on=DAYS)
def test_rates_give_the_price_of_the_package(
    name: str, numbers: tuple[float, ...], on: date
) -> None:
    counts = dict(zip(KINDS, numbers, strict=True))

    assert price(known(name), counts, on) == of_the_package(name, numbers, on)
    assert ask(name, counts, on) == of_the_package(name, numbers, on)


@settings(max_examples=300)
@given(
    name=st.sampled_from(NAMES),
    prompt=st.integers(0, 2_000_000),
    calls=st.integers(1, 50),
    parts=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
    on=DAYS,
)
def test_rates_give_the_price_of_the_package_for_a_mean_call(
    name: str, prompt: int, calls: int, parts: tuple[float, float], on: date
) -> None:
    numbers = tuple(int(prompt * part) / calls for part in (1, 0.3, *parts))
    counts = dict(zip(KINDS, numbers, strict=True))

    assert price(known(name), counts, on) == of_the_package(name, numbers, on)


def test_an_unknown_model_has_no_offer() -> None:
    assert offers_of("openai:of-my-own") == ()


def test_prices_by_the_hour_are_left_to_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    references = "messagedb_agent.llm.price_tables._references"
    monkeypatch.setattr(references, lambda name: (("deepseek", name),))

    assert offers_of("deepseek-chat") is None


def test_an_edition_tells_the_version() -> None:
    package: Any = import_module("genai_prices")

    assert package.__version__ in str(edition())


def test_without_the_package_there_is_no_edition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messagedb_agent.llm.price_tables.find_spec", lambda _: None)

    assert edition() is None
