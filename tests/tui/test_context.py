"""What the model saw, shown from the inspector."""

from __future__ import annotations

from textual.pilot import Pilot

from messagedb_agent.engine.review import review
from messagedb_agent.engine.session import start_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.tui.context import context_entries
from messagedb_agent.tui.dialogs.context import ContextScreen
from tests.tui.conftest import Desk, play, shows, text_of, until


def talked(desk: Desk) -> str:
    """A thread in which a tool was called and two questions answered."""
    desk.says(
        {"tool_calls": [{"name": "shout", "arguments": {"text": "hi"}}]},
        {"text": "I shouted"},
        {"text": "a second answer"},
    )
    thread_id = start_session(desk.store, "shout", category=desk.category)
    stream_name = desk.stream(thread_id)
    with AgentThread(desk.store, stream_name) as thread:
        thread.run(desk.permissive(thread.state))
        thread.send("and now?")
        thread.run(desk.permissive(thread.state))
    return stream_name


def test_a_request_is_told_from_the_system_prompt_to_the_last_message(desk: Desk) -> None:
    entries = context_entries(review(list(desk.store.read(talked(desk)))))

    assert [entry.kind for entry in entries] == ["system"] * 2 + ["user", "tool", "answer", "user"]
    assert entries[1].text == "1 tools\nshout: Say it loudly."
    assert entries[3].tool is not None
    assert (entries[3].tool.arguments, entries[3].tool.result) == ({"text": "hi"}, "HI")


def test_the_context_at_the_selected_event_is_shown_and_left_again(desk: Desk) -> None:
    app = desk.app(talked(desk))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ a second answer"))
        await pilot.press("ctrl+l", *["up"] * 4, "c")
        await until(pilot, lambda: isinstance(app.screen, ContextScreen))
        await until(pilot, shows(pilot, "the very request that was made"))
        shown = text_of(app)
        assert "what scripted saw at position 7: 3 messages" in " ".join(shown.split())
        assert "← HI" in shown
        assert "second answer" not in shown
        await pilot.press("escape")
        await until(pilot, shows(pilot, "◆ a second answer"))

    play(app, story)


def test_before_the_first_call_there_is_no_context(desk: Desk) -> None:
    app = desk.app(talked(desk))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ a second answer"))
        await pilot.press("ctrl+l", "home", "c")
        await until(pilot, shows(pilot, "no model was called"))

    play(app, story)
