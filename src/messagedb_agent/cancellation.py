"""How long work learns that nobody waits for it any more."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Cancellation(Protocol):
    """Tells work that nobody waits for it any more; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep up to `timeout` seconds, or until told to stop."""
        ...


class Deadline:
    """A cancellation that comes with another one, or by itself after so many seconds."""

    def __init__(self, cancelled: Cancellation, seconds: float) -> None:
        self._cancelled = cancelled
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self._end

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._cancelled.is_set() or self.is_over()

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep up to `timeout` seconds, or until told to stop."""
        left = max(0.0, self._end - time.monotonic())
        self._cancelled.wait(left if timeout is None else min(timeout, left))
        return self.is_set()


NEVER: Cancellation = threading.Event()
"""A cancellation that does not come."""
