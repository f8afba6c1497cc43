"""Each example runs from a clone, and says what its page promises."""

from __future__ import annotations

import pytest

from tests.reader import ROOT, Reader

EXPECTED = {
    "simple_agent": ("6 * 7 = 42", "42 / 4 = 10.5", "6 ToolExecutionCompleted | calculate = 42"),
    "custom_tool": ("result=1.0", "there is no fruit named 'plum'", "ordered 30 x pear"),
    "transactional_tool": ("4 seats are booked", "rows: [4]"),
    "custom_projection": ("stars: (5,) tools were used: True", "stars: (5, 4)"),
    "consumer": ("counted all tokens: True\ncounted all tokens: True", "left to read: 0"),
    "approval_flow": ("waiting ['one', 'two']", "sent to team: Hi", "write more politely"),
}
HELPERS = {"local_store"}
SERVERS = {"embed_fastapi"}  # has a test of its own


@pytest.mark.parametrize("name", EXPECTED)
def test_the_example_runs_from_a_clone(name: str, reader: Reader) -> None:
    done = reader.run(".venv/bin/python", "-W", "error", f"examples/{name}.py")

    assert done.returncode == 0, done.stdout
    for text in EXPECTED[name]:
        assert text in done.stdout


def test_every_example_is_run() -> None:
    assert {path.stem for path in (ROOT / "examples").glob("*.py")} - HELPERS - SERVERS == set(
        EXPECTED
    )
