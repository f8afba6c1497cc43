"""What tests of every folder share: a PostgreSQL server, a reader, how hypothesis works here."""

from __future__ import annotations

import os

from hypothesis import settings

from tests.postgres import server
from tests.reader import reader

__all__ = ["reader", "server"]

# Slow machines share their cores; a deadline would measure the neighbours.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=int(os.environ.get("MESSAGEDB_AGENT_TEST_EXAMPLES", "40")),
    print_blob=True,
)
settings.load_profile("suite")
