from __future__ import annotations

from datetime import date, timedelta

import pytest

from messagedb_agent.engine.costs import add_call, cost_in_words, in_words, no_usage, summed
from messagedb_agent.store.usage import UsageSum

DAY = date(2026, 11, 1)


def test_calls_one_by_one_and_summed_by_the_database_come_to_the_same() -> None:
    counts = {"input_tokens": 1000, "output_tokens": 10, "total_tokens": 1010}
    one_by_one = no_usage()
    for _ in range(3):
        add_call(one_by_one, "openai:gpt-5", counts)

    together = summed([UsageSum(None, DAY, "openai:gpt-5", 3, 3000, 30, 3030, 0, 0)])

    assert together == one_by_one


def test_one_unknown_price_makes_the_sum_unknown() -> None:
    usage = no_usage()
    add_call(usage, "openai:gpt-5", {"input_tokens": 10})
    add_call(usage, "openai:of-my-own", {"input_tokens": 10})
    add_call(usage, "openai:gpt-5", {"input_tokens": 10})

    assert usage["cost_usd"] is None
    assert (usage["input_tokens"], usage["total_tokens"]) == (30, 30)
    assert in_words(usage) == "30 tokens in, 0 out · cost unknown"


def test_a_call_costs_what_it_did_on_its_day() -> None:
    became_cheaper = date(2025, 6, 10)
    usages = []
    for on in (became_cheaper - timedelta(days=1), became_cheaper):
        usage = no_usage()
        add_call(usage, "openai:o3", {"input_tokens": 1_000_000}, on)
        usages.append(usage["cost_usd"])

    assert usages == [10.0, 2.0]


@pytest.mark.parametrize("tokens", [None, "many", [], {"input_tokens": "1"}, {"total_tokens": {}}])
def test_odd_numbers_of_earlier_programs_count_as_none(tokens: object) -> None:
    usage = no_usage()

    add_call(usage, "offline", tokens)

    assert usage == no_usage()


@pytest.mark.parametrize(
    ("cost", "words"),
    [(None, "cost unknown"), (0.0, "$0.00"), (0.00012, "$0.0001"), (1234.5, "$1,234.50")],
)
def test_a_cost_reads_well(cost: float | None, words: str) -> None:
    assert cost_in_words(cost) == words
