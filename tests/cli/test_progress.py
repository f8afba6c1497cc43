"""What a terminal shows while something takes its time; nothing else does."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace

import pytest

from messagedb_agent.cli import progress
from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.reporter import Waiting
from messagedb_agent.events import (
    LLMCallRequested,
    ToolExecutionCompleted,
    ToolExecutionRequested,
)

PATIENCE_SECONDS = 20.0


class Screen(io.StringIO):
    """A stderr that says when something was written to it."""

    def __init__(self, *, terminal: bool = True) -> None:
        super().__init__()
        self.written = threading.Event()
        self._terminal = terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]  # StringIO has none, terminals do
        return "utf-8"

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        count = super().write(text)
        self.written.set()
        return count


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    found = Screen()
    # Not sys.stderr itself, which pytest exchanges between this fixture and the test.
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=found))
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", 0.0)
    return found


def test_what_takes_long_is_told_and_erased(screen: Screen) -> None:
    with Progress("counting sheep"):
        assert screen.written.wait(PATIENCE_SECONDS)

    assert "counting sheep" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")


def test_what_is_quick_is_not_told(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE_SECONDS", PATIENCE_SECONDS)

    with Progress("blinking"):
        pass

    assert screen.getvalue() == ""


def test_only_a_terminal_is_told(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Screen(terminal=False)
    monkeypatch.setattr(progress, "sys", SimpleNamespace(stderr=pipe))

    with Progress("counting sheep"):
        assert not pipe.written.is_set()

    assert pipe.getvalue() == ""


def test_a_run_tells_what_it_waits_for(screen: Screen) -> None:
    waiting = Waiting()

    def shown(event: object) -> str:
        waiting.end()
        screen.truncate(0)
        screen.written.clear()
        waiting.after(event)  # type: ignore[arg-type]  # any of the events below
        assert screen.written.wait(PATIENCE_SECONDS)
        return screen.getvalue()

    assert "waiting for m" in shown(LLMCallRequested(model_name="m"))
    assert "running one" in shown(ToolExecutionRequested(tool_name="one", tool_call_id="1"))
    assert "running one, two" in shown(ToolExecutionRequested(tool_name="two", tool_call_id="2"))
    assert "running two" in shown(ToolExecutionCompleted(tool_name="one", tool_call_id="1"))
    waiting.end()
