"""When to look for garbage: an SDK is 100,000 objects that stay, and none of them is any."""

from __future__ import annotations

import gc
from importlib import import_module
from types import ModuleType

_OBJECTS_BEFORE_COLLECTION = 50_000


def collect_rarely() -> None:
    """Look for garbage only once there may be much; each time takes longer than a command."""
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)


def import_for_good(name: str) -> ModuleType:
    """Import a large module without looking for garbage in it, now or later."""
    gc.disable()
    try:
        return import_module(name)
    finally:
        # Else the first collection afterwards would go through all of it.
        gc.freeze()
        gc.enable()
