"""
msgspec's first look at a type, by one thread at a time.

What it finds out about a struct it keeps with the class before it is complete, as structs may
contain themselves. A thread that reads such a struct at that moment ends the process.
"""

from __future__ import annotations

import threading
from typing import TypeVar

import msgspec

T = TypeVar("T")

ONE_BY_ONE = threading.RLock()
"""To be held while a decoder is made."""


def looked_at(kind: type[T]) -> type[T]:
    """The type, which any thread may read from now on."""
    with ONE_BY_ONE:
        msgspec.json.Decoder(kind)
    return kind
