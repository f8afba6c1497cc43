from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import ModelCallError
from messagedb_agent.llm.retry import is_worth_retrying, retry_delay

BUSY = ModelCallError("busy", error_type="overloaded", retryable=True)


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (99, 16)]
)
def test_the_wait_grows_up_to_a_cap_and_is_jittered_in_full(attempt: int, ceiling: float) -> None:
    assert retry_delay(attempt, None, lambda: 0.0) == 0.0
    assert retry_delay(attempt, None, lambda: 0.5) == ceiling / 2


@pytest.mark.parametrize(("asked", "delay"), [(2.0, 2.0), (3600.0, 60.0), (-1.0, 0.25)])
def test_what_the_provider_asks_for_is_honoured_up_to_a_minute(asked: float, delay: float) -> None:
    assert retry_delay(1, asked, lambda: 0.25) == delay


@given(st.integers(-5, 10_000), st.none() | st.floats(allow_nan=False), st.floats(0, 0.999))
def test_no_wait_is_negative_or_longer_than_a_minute(
    attempt: int, asked: float | None, drawn: float
) -> None:
    assert 0 <= retry_delay(attempt, asked, lambda: drawn) <= 60


def test_only_retryable_failures_within_attempts_and_deadline_are_retried() -> None:
    assert is_worth_retrying(BUSY, 1)
    assert is_worth_retrying(BUSY, 4)
    assert not is_worth_retrying(BUSY, 5)
    assert not is_worth_retrying(ModelCallError("no", error_type="permission"), 1)
    assert not is_worth_retrying(BUSY, 1, elapsed=299, delay=2)
