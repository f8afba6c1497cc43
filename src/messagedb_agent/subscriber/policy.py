"""What happens when a handler fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from messagedb_agent.errors import UsageError


class ErrorPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    Call the handler again, `retries` times, with growing pauses; `then` stop or skip.

    Stopping raises `HandlerFailedError` and leaves the position before the event. Skipping
    writes the event's place and the reason to the consumer's dead-letter stream and goes on.
    """

    retries: int = 3
    first_pause: float = 0.1
    longest_pause: float = 30.0
    then: Literal["stop", "skip"] = "stop"

    def __post_init__(self) -> None:
        if self.retries < 0 or self.first_pause < 0 or self.longest_pause < 0:
            raise UsageError("an error policy has no negative numbers")

    def pauses(self) -> Iterator[float]:
        """Seconds to wait before each further call."""
        pause = self.first_pause
        for _ in range(self.retries):
            yield min(pause, self.longest_pause)
            pause *= 2
