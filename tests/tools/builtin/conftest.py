from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.tools.builtin.site import Pages, Server, serving


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    yield from serving(Server(("127.0.0.1", 0), Pages))
