"""What a thread used is the sum of what the providers said, whatever else they said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.events import LLMResponseReceived
from messagedb_agent.projections.usage import USAGE, TokenUsage

KEYS = TokenUsage.__struct_fields__
NO_NUMBERS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.text(max_size=2), st.floats(), st.lists(st.integers(), max_size=2)
)
COUNTS = st.dictionaries(st.sampled_from(KEYS), st.integers(0, 10**6) | NO_NUMBERS)


@given(st.lists(COUNTS))
def test_each_count_is_the_sum_of_the_whole_numbers_said(said: list[dict[str, Any]]) -> None:
    state = USAGE.fold([LLMResponseReceived(token_usage=usage) for usage in said])

    for key in set(KEYS) - {"total_tokens"}:
        assert getattr(state, key) == sum(whole(usage.get(key)) for usage in said)
    assert state.total_tokens == sum(
        whole(usage.get("total_tokens"))
        or whole(usage.get("input_tokens")) + whole(usage.get("output_tokens"))
        for usage in said
    )


def whole(value: Any) -> int:
    return value if isinstance(value, int) else 0


@pytest.mark.parametrize("said", [None, {}, [], "many", 3])
def test_a_response_that_says_nothing_adds_nothing(said: Any) -> None:
    assert USAGE.fold([LLMResponseReceived(token_usage=said)]) == TokenUsage()
