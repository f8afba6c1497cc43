from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import ModelCallError
from messagedb_agent.llm.retry import RetryPolicy

BUSY = ModelCallError("busy", error_type="overloaded", retryable=True)
POLICY = RetryPolicy()


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (99, 16)]
)
def test_the_wait_grows_up_to_a_cap_and_is_jittered_in_full(attempt: int, ceiling: float) -> None:
    assert POLICY.pause(attempt, uniform=lambda low, _high: low) == 0.0
    assert POLICY.pause(attempt, uniform=lambda _low, high: high) == ceiling


@pytest.mark.parametrize(("asked", "delay"), [(2.0, 2.0), (3600.0, 60.0), (-1.0, 0.25)])
def test_what_the_provider_asks_for_is_honoured_up_to_a_minute(asked: float, delay: float) -> None:
    assert POLICY.pause(1, asked, uniform=lambda _low, _high: 0.25) == delay


@given(st.integers(1, 10_000), st.none() | st.floats(allow_nan=False))
def test_no_wait_is_negative_or_longer_than_a_minute(attempt: int, asked: float | None) -> None:
    assert 0 <= POLICY.pause(attempt, asked) <= 60


@pytest.mark.parametrize(
    ("error", "attempt", "elapsed", "allowed"),
    [
        (BUSY, 1, 0.0, True),
        (BUSY, 4, 0.0, True),
        (BUSY, 5, 0.0, False),
        (BUSY, 1, 299.0, False),
        (ModelCallError("no", error_type="permission"), 1, 0.0, False),
    ],
)
def test_only_retryable_failures_within_attempts_and_deadline_are_retried(
    error: ModelCallError, attempt: int, elapsed: float, *, allowed: bool
) -> None:
    assert POLICY.allows_another(error, attempt, elapsed=elapsed, pause=2) is allowed
