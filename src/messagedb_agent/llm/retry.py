"""When a failed model call is worth another attempt, and how long to wait before it. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

from messagedb_agent.errors import ModelCallError

RETRYABLE_TYPES = frozenset(
    {"rate_limit", "overloaded", "server_error", "timeout", "connection", "truncated"}
)
"""The kinds of failure that the same request may survive later."""

LONGEST_RETRY_AFTER_SECONDS = 60.0


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    At most `max_attempts` calls within `deadline` seconds, with full jitter between them.

    The pause after attempt n is random between 0 and `first_pause` times 2 to the n-1, at
    most `longest_pause` seconds (Exponential Backoff And Jitter, AWS Architecture Blog,
    2015). A provider that asks for more gets it, up to a minute.
    """

    max_attempts: int = 5
    deadline: float = 300.0
    first_pause: float = 1.0
    longest_pause: float = 16.0

    def pause(
        self,
        attempt: int,
        retry_after: float | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> float:
        """Seconds to wait after the failure of `attempt`, which counts from 1."""
        bound: float = min(self.longest_pause, self.first_pause * 2.0 ** min(attempt - 1, 30))
        jittered = uniform(0.0, bound)
        if retry_after is None:
            return jittered
        return max(jittered, min(max(retry_after, 0.0), LONGEST_RETRY_AFTER_SECONDS))

    def allows_another(
        self, error: ModelCallError, attempt: int, *, elapsed: float, pause: float
    ) -> bool:
        """
        Whether to follow `attempt` with another one.

        `elapsed` is the time since the first attempt began: one that could not begin before
        the deadline is not announced.
        """
        return error.retryable and attempt < self.max_attempts and elapsed + pause < self.deadline
