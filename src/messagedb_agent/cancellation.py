"""How long work learns that nobody waits for it any more."""

from __future__ import annotations

import threading
from typing import Protocol


class Cancellation(Protocol):
    """Tells work that nobody waits for it any more; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Whether to stop."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep up to `timeout` seconds, or until told to stop."""
        ...


NEVER: Cancellation = threading.Event()
"""A cancellation that does not come."""
