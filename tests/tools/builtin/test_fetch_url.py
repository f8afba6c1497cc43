from __future__ import annotations

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.fetch_url import fetch_url
from tests.tools.builtin.site import this_server
from tests.tools.conftest import Call


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "169.254.169.254"]
)
def test_the_tool_reaches_nothing_private(site: str, call: Call, host: str) -> None:
    port = site.rpartition(":")[2]

    with pytest.raises(ToolError, match=r"not on the public internet|can't be found"):
        call(fetch_url, url=f"http://{host}:{port}/")


def test_the_tool_gives_the_readable_text(
    site: str, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messagedb_agent.tools.builtin.addresses.is_public", this_server)

    assert call(fetch_url, url=f"http://{site}/html") == {
        "url": f"http://{site}/html",
        "status": 200,
        "content_type": "text/html; charset=utf-8",
        "text": "Hello",
        "truncated": False,
    }
    with pytest.raises(ToolError, match="image/png"):
        call(fetch_url, url=f"http://{site}/image")
