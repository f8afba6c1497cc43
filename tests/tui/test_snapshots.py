"""
What the screen looks like at 80 by 24, as text.

`UPDATE_TUI_SNAPSHOTS=1 pytest tests/tui/test_snapshots.py` writes the files anew; look at
the difference before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from textual.pilot import Pilot

from messagedb_agent.events.agent import (
    AgentConfigured,
    LLMCallFailed,
    LLMCallRequested,
    LLMResponseReceived,
    ToolCall,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import SessionStarted
from messagedb_agent.events.tool import (
    ToolApprovalRequested,
    ToolExecutionCompleted,
    ToolExecutionRequested,
)
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.tui.dialogs.approval import ApprovalDialog
from tests.tui.conftest import Desk, play, shows, text_of, until

FOLDER = Path(__file__).parent / "snapshots"

ARGUMENTS = {"text": "it is done", "times": 2}
HISTORY: list[Event] = [
    SessionStarted(thread_id="0123456789"),
    UserMessageAdded(message="Shout it,\nthen tell me what [you] did."),
    AgentConfigured(model_name="openai:gpt-5"),
    LLMResponseReceived(
        content=({"type": "thinking", "thinking": "Shouting is what is wanted."},),
        tool_calls=(ToolCall(id="c1", name="shout", arguments=ARGUMENTS),),
        model_name="openai:gpt-5",
        token_usage={"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200},
    ),
    ToolExecutionRequested(tool_name="shout", arguments=ARGUMENTS, tool_call_id="c1"),
    ToolExecutionCompleted(
        tool_name="shout", result="IT IS DONE", execution_time_ms=1234, tool_call_id="c1"
    ),
    LLMCallFailed(error_message="the server is overloaded", retryable=True),
    LLMResponseReceived(response_text="I *shouted*:\n\n- loudly\n- **twice**"),
]
QUESTION: list[Event] = [
    UserMessageAdded(message="Again!"),
    LLMResponseReceived(tool_calls=(ToolCall(id="c2", name="shout", arguments=ARGUMENTS),)),
    ToolApprovalRequested(tool_name="shout", arguments=ARGUMENTS, tool_call_id="c2"),
]


def check(name: str, shown: str) -> None:
    shown = re.sub(r"\d\d:\d\d:\d\d", "hh:mm:ss", shown) + "\n"
    file = FOLDER / f"{name}.txt"
    if os.environ.get("UPDATE_TUI_SNAPSHOTS"):
        file.write_text(shown, encoding="utf-8")
    assert shown == file.read_text(encoding="utf-8")


def test_a_chat_with_every_kind_of_entry(desk: Desk) -> None:
    app = desk.app(desk.write("0123456789", HISTORY))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "• twice"))
        await until(pilot, shows(pilot, "$0.0032"))
        check("chat", text_of(app))
        await pilot.press("ctrl+o")
        app.chat.scroll_home(animate=False)
        await pilot.pause(0.1)
        check("unfolded", text_of(app))

    play(app, story)


def test_a_tool_that_waits_for_approval(desk: Desk) -> None:
    app = desk.app(desk.write("0123456789", [*HISTORY, *QUESTION]))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        await until(pilot, shows(pilot, "waits for approval"))
        await until(pilot, shows(pilot, "$0.0032"))
        check("approval", text_of(app))

    play(app, story)


def test_the_places_to_fork_from(desk: Desk) -> None:
    app = desk.app(desk.write("0123456789", HISTORY))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "• twice"))
        await until(pilot, shows(pilot, "$0.0032"))
        await pilot.press("ctrl+f")
        await until(pilot, shows(pilot, "Fork:"))
        check("fork", text_of(app))

    play(app, story)


def test_what_the_model_saw(desk: Desk) -> None:
    configured = AgentConfigured(model_name="openai:gpt-5", system_prompt="Be loud.")
    history = [*HISTORY[:2], configured, *HISTORY[3:], LLMCallRequested(model_name="openai:gpt-5")]
    app = desk.app(desk.write("0123456789", history))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "• twice"))
        await pilot.press("ctrl+l", "c")
        await until(pilot, shows(pilot, "what openai:gpt-5 saw"))
        await until(pilot, shows(pilot, "• twice"))
        check("context", text_of(app))

    play(app, story)


def test_threads_and_events_beside_the_chat(desk: Desk) -> None:
    app = desk.app(desk.write("0123456789", HISTORY))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "• twice"))
        await until(pilot, shows(pilot, "$0.0032"))
        await pilot.press("ctrl+t")
        await until(pilot, shows(pilot, "active · now · $0.0032"))
        check("threads", text_of(app))
        await pilot.press("ctrl+l")
        await until(pilot, shows(pilot, "at 7"))
        listed = [line for line in text_of(app).splitlines() if "hh:mm" in line or "▏" in line]
        assert len(listed) > 15

    play(app, story)
