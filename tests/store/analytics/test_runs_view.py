"""The view of runs tells what the projection tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from messagedb_agent.events import UserMessageAdded
from messagedb_agent.events.base import Event
from messagedb_agent.projections.runs import runs
from tests.projections.test_run import (
    ANSWER,
    APPROVED,
    ASKS,
    HISTORIES,
    PENDING,
    RESULT,
    SAID,
    asked,
    called,
    recorded,
)
from tests.store.analytics.conftest import Past, Rows

View = Callable[[str, str], Rows]

MORE: tuple[tuple[Event, ...], ...] = (
    (asked("one"), ANSWER, SAID, asked("two"), ASKS, PENDING),
    (asked("r"), SAID, ANSWER),
    (asked("r"), SAID, ANSWER, asked("r"), ANSWER),
    (asked("r"), ASKS, called("r"), RESULT, asked("r"), ASKS, PENDING, APPROVED),
    (asked("r"), ANSWER, UserMessageAdded(message="more")),
)


@pytest.mark.parametrize("history", [*(history for history, _ in HISTORIES), *MORE])
def test_the_view_agrees_with_the_projection(
    past: Past, view: View, history: tuple[Event, ...]
) -> None:
    stream_name = past([SAID, *history])

    def shown(row: dict[str, Any]) -> tuple[Any, ...]:
        return row["run_id"], row["state"], row["model_calls"], row["tool_calls"]

    found = sorted(map(shown, view("runs", stream_name)))
    told = runs(recorded([SAID, *history]))
    assert found == sorted((r.run_id, r.state, r.model_calls, r.tool_calls) for r in told)
