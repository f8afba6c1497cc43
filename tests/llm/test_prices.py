from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.llm import prices
from messagedb_agent.llm.prices import cost_of, prices_for

MILLION = {"input_tokens": 1_000_000, "output_tokens": 0}


@pytest.mark.parametrize(
    "name",
    [
        "claude-sonnet-4-5@20250929",
        "claude-sonnet-5-5",
        "gemini-2.5-pro",
        "anthropic:claude-haiku-5-5",
        "openai:gpt-5",
    ],
)
def test_models_of_every_provider_have_a_price(name: str) -> None:
    cost = cost_of(name, MILLION)

    assert cost is not None
    assert cost > 0


def test_what_is_read_from_a_cache_costs_less() -> None:
    cached = {**MILLION, "cache_read_tokens": 900_000}

    assert (cost_of("claude-sonnet-5-5", cached) or 0) < (
        cost_of("claude-sonnet-5-5", MILLION) or 0
    )


@pytest.mark.parametrize("usage", [None, "many", {}, {"input_tokens": "1"}, MILLION])
def test_what_answers_within_this_process_is_free(usage: object) -> None:
    assert cost_of("offline", usage) == 0
    assert cost_of("scripted:file.json", usage) == 0


def test_a_price_can_be_asked_for_as_of_a_day() -> None:
    assert cost_of("openai:gpt-5", MILLION, date(2026, 1, 1)) is not None


def test_kept_rates_cost_the_same(tmp_path: Path) -> None:
    usage = {**MILLION, "cache_read_tokens": 900_000}

    kept = cost_of("claude-sonnet-5-5", usage, kept_in=tmp_path)

    assert kept == cost_of("claude-sonnet-5-5", usage)
    assert [file.name for file in tmp_path.iterdir()] == ["rates.json"]


def test_what_is_not_kept_as_rates_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messagedb_agent.llm.kept_rates.offers_of", lambda _: None)

    assert cost_of("openai:gpt-5", MILLION, kept_in=tmp_path) == cost_of("openai:gpt-5", MILLION)


def test_less_than_no_tokens_have_no_price() -> None:
    assert cost_of("openai:gpt-5", {"input_tokens": -1}) is None


def test_no_price_is_no_budget() -> None:
    assert cost_of("openai:of-my-own", MILLION) is None
    with pytest.raises(ModelUnavailableError, match="--max-tokens"):
        prices_for("openai:of-my-own")
    assert prices_for("offline")("offline", MILLION) == 0


def test_without_the_tables_a_budget_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    prices._cost.cache_clear()
    monkeypatch.setattr(prices, "has_prices", lambda: False)

    assert cost_of("claude-sonnet-5-5", MILLION) is None
    with pytest.raises(ModelUnavailableError, match=r"messagedb-agent\[prices\]"):
        prices_for("claude-sonnet-5-5")
    prices._cost.cache_clear()
