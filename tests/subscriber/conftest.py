"""The fixtures of `tests.message_db`, for all tests of this folder."""

from __future__ import annotations

from tests.message_db import category, dsn, store

__all__ = ["category", "dsn", "store"]
