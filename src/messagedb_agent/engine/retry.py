"""How often and how patiently a failed model call is repeated."""

from __future__ import annotations

import random
from collections.abc import Callable

import msgspec

LONGEST_RETRY_AFTER_SECONDS = 60.0


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    At most `max_attempts` calls, with full jitter between them.

    The pause before attempt n+1 is random between 0 and `first_pause` times 2 to the n-1, at
    most `longest_pause` seconds (Exponential Backoff And Jitter, AWS Architecture Blog,
    2015). A provider that names a time is given that time, up to a minute.
    """

    max_attempts: int = 5
    first_pause: float = 1.0
    longest_pause: float = 16.0

    def pause(
        self,
        attempt: int,
        retry_after: float | None = None,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> float:
        """Seconds to wait after a failed `attempt`, counted from 1."""
        bound: float = min(self.longest_pause, self.first_pause * 2 ** (attempt - 1))
        jittered = uniform(0.0, bound)
        if retry_after is None:
            return jittered
        return min(max(retry_after, jittered), LONGEST_RETRY_AFTER_SECONDS)
