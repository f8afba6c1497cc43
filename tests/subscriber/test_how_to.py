"""The programs in docs/how-to/consume-events.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from messagedb_agent.events import (
    LLMResponseReceived,
    ToolExecutionFailed,
    UserMessageAdded,
)
from messagedb_agent.store import MessageDBClient
from messagedb_agent.store.base import NewEvent

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "consume-events.md"
PROGRAMS = re.findall(r"(?ms)^```python no-run\n(.*?)^```", PAGE.read_text(encoding="utf-8"))


@pytest.fixture
def history(store: MessageDBClient, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", dsn)
    events = (
        UserMessageAdded(message="hello", timestamp=""),
        ToolExecutionFailed(tool_name="echo", error_message="no"),
        LLMResponseReceived(
            response_text="hi", tool_calls=(), model_name="m", token_usage={"total_tokens": 7}
        ),
    )
    stream_name = "agent:v0-how-to"
    if store.version(stream_name) < 0:
        store.append(stream_name, [NewEvent(event=event) for event in events])


@pytest.mark.usefixtures("history")
def test_routing(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(PROGRAMS[0], PAGE, "exec"), {})

    assert "agent:v0-how-to hello\n" in capsys.readouterr().out


@pytest.mark.usefixtures("history")
def test_effects_that_happen_once(store: MessageDBClient) -> None:
    for _ in range(2):
        exec(compile(PROGRAMS[1], PAGE, "exec"), {})

    with store.connection() as connection:
        rows = connection.execute("SELECT thread, total FROM tokens").fetchall()
    assert rows == [("agent:v0-how-to", 7)]


@pytest.mark.usefixtures("history")
def test_dead_letters(store: MessageDBClient) -> None:
    exec(compile(PROGRAMS[2], PAGE, "exec"), {})

    (letter,) = store.read("agent:v0+dead-alarm:0of1")
    assert letter.type == "EventSkipped"


def test_no_program_is_left_untried() -> None:
    assert len(PROGRAMS) == 3
