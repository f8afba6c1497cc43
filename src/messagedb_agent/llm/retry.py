"""When a failed model call is worth another attempt, and how long to wait before it. Pure."""

from __future__ import annotations

from collections.abc import Callable

from messagedb_agent.errors import ModelCallError

RETRYABLE_TYPES = frozenset(
    {"rate_limit", "overloaded", "server_error", "timeout", "connection", "truncated"}
)
"""The kinds of failure that the same request may survive later."""

MAX_ATTEMPTS = 5
MAX_RETRY_AFTER_SECONDS = 60.0
TOTAL_DEADLINE_SECONDS = 300.0
_BASE_SECONDS = 1.0
_CAP_SECONDS = 16.0


def retry_delay(attempt: int, retry_after: float | None, rng: Callable[[], float]) -> float:
    """
    Seconds to wait after the failure of attempt number `attempt`, which counts from 1.

    Full jitter over 1-2-4-8-16 seconds, `rng` giving numbers in [0, 1), but never less than
    the provider asked for; what it asks for counts up to 60 seconds.
    """
    ceiling = min(_CAP_SECONDS, _BASE_SECONDS * float(1 << min(max(attempt - 1, 0), 10)))
    jittered = ceiling * rng()
    if retry_after is None:
        return jittered
    return max(jittered, min(max(retry_after, 0.0), MAX_RETRY_AFTER_SECONDS))


def is_worth_retrying(
    error: ModelCallError,
    attempt: int,
    *,
    elapsed: float = 0.0,
    delay: float = 0.0,
    deadline: float = TOTAL_DEADLINE_SECONDS,
) -> bool:
    """
    Whether to follow attempt number `attempt` with another one.

    `elapsed` is the time since the first attempt began and `delay` the wait before the next
    one: an attempt that could not begin before the deadline is not announced.
    """
    return error.retryable and attempt < MAX_ATTEMPTS and elapsed + delay < deadline
