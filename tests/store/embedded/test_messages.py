from __future__ import annotations

import pytest

from messagedb_agent.store.embedded.messages import reason


@pytest.mark.parametrize(
    ("output", "line"),
    [
        ("2026 UTC [7] LOG:  starting\n2026 UTC [7] FATAL:  no room\n", "FATAL:  no room"),
        ("fixing ... ok\ninitdb: error: could not create x\n", "initdb: error: could not create x"),
        ("one\ntwo\n\n", "two"),
        ("", "it said nothing"),
    ],
)
def test_the_line_that_tells_most_is_chosen(output: str, line: str) -> None:
    assert reason(output) == line
