"""Nothing that asks runs before somebody allowed it."""

from __future__ import annotations

from typing import Any

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from messagedb_agent.events.user import ToolExecutionApproved, ToolExecutionRejected
from messagedb_agent.tui.dialogs.approval import ApprovalDialog
from tests.tui.conftest import Desk, play, shows, text_of, until, write


def shouting(text: str = "hi") -> dict[str, Any]:
    return {"tool_calls": [{"name": "shout", "arguments": {"text": text}}]}


async def asked(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: isinstance(pilot.app.screen, ApprovalDialog))
    await pilot.pause(0.05)


def test_a_call_that_is_allowed_runs(desk: Desk) -> None:
    desk.says(shouting(), {"text": "done"})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "shout")
        await asked(pilot)
        assert desk.ran == []
        assert "shout wants to run" in text_of(app)
        await pilot.press("y")
        await until(pilot, shows(pilot, "◆ done"))

    play(app, story)

    assert desk.ran == ["hi"]
    decisions = [e for e in desk.events(app.conversation.stream_name) if "Approved" in str(type(e))]
    assert isinstance(decisions[0], ToolExecutionApproved)
    assert decisions[0].approved_by == "ada"


def test_always_asks_no_more_for_this_tool(desk: Desk) -> None:
    desk.says(shouting("one"), shouting("two"), {"text": "done"})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "shout twice")
        await asked(pilot)
        await pilot.press("a")
        await until(pilot, shows(pilot, "◆ done"))

    play(app, story)

    assert desk.ran == ["one", "two"]


def test_a_call_runs_with_edited_arguments(desk: Desk) -> None:
    desk.says(shouting(), {"text": "done"})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "shout")
        await asked(pilot)
        await pilot.press("e")
        area = app.screen.query_one("#edit", TextArea)
        area.load_text("not json")
        await pilot.press("ctrl+s")
        await until(pilot, shows(pilot, "that is not JSON"))
        area.load_text('{"text": "ho"}')
        await pilot.press("ctrl+s")
        await until(pilot, shows(pilot, "◆ done"))

    play(app, story)

    assert desk.ran == ["ho"]


def test_a_call_that_is_denied_does_not_run_and_the_model_reads_why(desk: Desk) -> None:
    desk.says(shouting(), {"text": "sorry"})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "shout")
        await asked(pilot)
        await pilot.press("d")
        app.screen.query_one("#reason", Input).value = "too loud"
        await pilot.press("enter")
        await until(pilot, shows(pilot, "◆ sorry"))
        assert "rejected" in text_of(app)

    play(app, story)

    rejections = [
        event
        for event in desk.events(app.conversation.stream_name)
        if isinstance(event, ToolExecutionRejected)
    ]
    assert [event.reason for event in rejections] == ["too loud"]
    assert desk.ran == []


def test_a_decision_can_be_put_off(desk: Desk) -> None:
    desk.says(shouting(), {"text": "done"})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "shout")
        await asked(pilot)
        await pilot.press("escape")
        await until(pilot, shows(pilot, "needs approval · ^y"))
        await pilot.press("ctrl+y")
        await asked(pilot)
        await pilot.press("y")
        await until(pilot, shows(pilot, "◆ done"))

    play(app, story)


def test_nobody_who_is_writing_is_interrupted_by_a_question(desk: Desk) -> None:
    gate = desk.hesitates(**shouting(), text="wait for it")
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "shout")
        await until(pilot, shows(pilot, "◆ wait"))
        await pilot.press("y", "e")
        gate.set()
        await until(pilot, shows(pilot, "needs approval"))
        assert not isinstance(app.screen, ApprovalDialog)
        await pilot.press("backspace", "backspace")
        await asked(pilot)

    play(app, story)

    assert desk.ran == []
