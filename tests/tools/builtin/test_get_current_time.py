from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.builtin.get_current_time import get_current_time, time_in
from tests.tools.conftest import Call

NOON = datetime(2024, 7, 1, 12, 0, 0, 987, tzinfo=UTC)


@pytest.mark.parametrize("name", [None, "UTC", "utc", "Etc/UTC", "Z"])
def test_utc_is_the_default(name: str | None) -> None:
    assert time_in(name, NOON) == "2024-07-01T12:00:00+00:00"


def test_a_zone_gives_its_own_time_and_offset() -> None:
    assert time_in("Europe/Paris", NOON) == "2024-07-01T14:00:00+02:00"
    assert time_in("Asia/Kolkata", NOON) == "2024-07-01T17:30:00+05:30"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../../etc/passwd",
        "/etc/passwd",
        "Europe",
        "a\0b",
        "x" * 10_000,
        "\ud800",
    ],
)
def test_an_unknown_zone_is_told(name: str) -> None:
    with pytest.raises(ToolError, match="there is no time zone"):
        time_in(name, NOON)


def test_the_tool_tells_the_time_that_it_is(call: Call) -> None:
    told = datetime.fromisoformat(call(get_current_time, timezone="America/New_York"))

    assert abs(told - datetime.now(UTC)) < timedelta(seconds=5)
