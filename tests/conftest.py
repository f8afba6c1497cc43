"""What tests of every folder share: a server, a reader, warm commands, how hypothesis works."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import server
from tests.reader import reader
from tests.warm import warm

__all__ = ["reader", "server", "warm"]

# Slow machines share their cores; a deadline would measure the neighbours.
settings.register_profile(
    "suite",
    deadline=None,
    max_examples=int(os.environ.get("MESSAGEDB_AGENT_TEST_EXAMPLES", "40")),
    print_blob=True,
)
settings.load_profile("suite")


@pytest.fixture(autouse=True)
def _same_environment() -> Iterator[None]:
    """Commands that run in the tests' own process read settings files into it."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long comes first, lest all wait for it; containers are for those who ask."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    if "docker" in config.getoption("markexpr", ""):
        return
    reason = "needs a Docker engine; `./test --docker` runs it"
    for item in items:
        if item.get_closest_marker("docker"):
            item.add_marker(pytest.mark.skip(reason=reason))
