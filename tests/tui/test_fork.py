"""Beginning a thread from a place in another one."""

from __future__ import annotations

from textual.pilot import Pilot

from messagedb_agent.events.agent import LLMResponseReceived, ToolCall
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import SessionStarted, ThreadForked
from messagedb_agent.events.tool import ToolExecutionCompleted, ToolExecutionRequested
from messagedb_agent.events.user import AttachmentStored, UserMessageAdded
from messagedb_agent.store.base import NewEvent
from messagedb_agent.tui.dialogs.fork import ForkDialog
from messagedb_agent.tui.forking import fork_points
from messagedb_agent.tui.presenter import Presenter
from messagedb_agent.tui.widgets.entry import Fold
from tests.tui.conftest import Desk, play, recorded, shows, text_of, until, write

HISTORY: list[Event] = [
    SessionStarted(thread_id="fruit"),
    UserMessageAdded(message="about apples"),
    LLMResponseReceived(response_text="apples it is"),
    UserMessageAdded(message="about pears"),
    LLMResponseReceived(tool_calls=(ToolCall(id="c1", name="shout", arguments={"text": "p"}),)),
    ToolExecutionRequested(tool_name="shout", arguments={"text": "p"}, tool_call_id="c1"),
    ToolExecutionCompleted(tool_name="shout", result="P", tool_call_id="c1"),
    LLMResponseReceived(response_text="pears it is"),
]


def test_messages_answers_and_tool_calls_are_places_to_fork_from() -> None:
    presenter = Presenter()
    presenter.take(recorded(HISTORY))

    points = [(point.position, point.message) for point in fork_points(presenter.entries)]

    assert points == [(0, "about apples"), (2, None), (2, "about pears"), (4, None), (7, None)]


def test_a_fork_from_a_message_lets_it_be_said_differently(desk: Desk) -> None:
    origin = desk.write("fruit", HISTORY)
    desk.says({"text": "apples it is"}, {"text": "plums it is"})
    app = desk.app(origin)

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ pears it is"))
        await pilot.press("ctrl+f", "enter")
        await until(pilot, shows(pilot, "forked from"))
        shown = text_of(app)
        assert "◆ apples it is" in shown, "what the fork shares is there"
        assert "◆ pears it is" not in shown
        assert app.prompt.text == "about pears"
        await write(pilot, "about plums")
        await until(pilot, shows(pilot, "◆ plums it is"))

    play(app, story)

    forked = app.conversation.stream_name
    assert forked != origin
    assert desk.events(forked)[0] == ThreadForked(origin_stream_name=origin, origin_position=2)
    assert desk.events(origin) == HISTORY


def test_a_fork_from_a_message_takes_its_files_along(desk: Desk) -> None:
    picture = {
        "type": "image", "media_type": "image/png", "name": "a.png", "sha256": "0" * 64, "size": 8
    }  # fmt: skip
    blob = AttachmentStored(sha256="0" * 64, media_type="image/png", size=8, data="iVBORw0KGgo=")
    desk.store.append(f"agent_blob:v0-{'0' * 64}", [NewEvent(event=blob)])
    shown_to = UserMessageAdded(message="what is it?", content=(picture,))
    origin = desk.write("seen", [HISTORY[0], HISTORY[1], HISTORY[2], shown_to])
    desk.says({"text": "a pear"}, {"text": "a plum"}, {"text": "a fig"})
    app = desk.app(origin)

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "what is it?"))
        await pilot.press("ctrl+f", "enter")
        await until(pilot, shows(pilot, "[a.png: image/png, 8 bytes] goes along"))
        await write(pilot, "is it a fruit?")
        await until(pilot, shows(pilot, "◆ a"))
        await write(pilot, "and now?")
        await until(pilot, lambda: text_of(app).count("◆ a ") > 1)

    play(app, story)

    said = [e for e in desk.events(app.conversation.stream_name) if isinstance(e, UserMessageAdded)]
    assert [(each.message, each.content) for each in said] == [
        ("is it a fruit?", (picture,)),
        ("and now?", None),
    ]


def test_the_place_is_searched_for(desk: Desk) -> None:
    app = desk.app(desk.write("fruit", HISTORY))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ pears it is"))
        await pilot.press("ctrl+f", *"apples it")
        await until(pilot, lambda: "about pears" not in text_of(app).split("Fork:")[1])
        await pilot.press("enter")
        await until(pilot, shows(pilot, "forked from"))

    play(app, story)

    first = desk.events(app.conversation.stream_name)[0]
    assert isinstance(first, ThreadForked)
    assert first.origin_position == 2
    assert app.conversation.title == "about apples"


def test_the_entry_with_the_focus_is_proposed(desk: Desk) -> None:
    app = desk.app(desk.write("fruit", HISTORY))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ pears it is"))
        app.query_one(Fold).focus()
        await pilot.press("ctrl+f")
        await until(pilot, lambda: isinstance(app.screen, ForkDialog))
        await pilot.press("enter")
        await until(pilot, shows(pilot, "unfinished"))

    play(app, story)

    first = desk.events(app.conversation.stream_name)[0]
    assert isinstance(first, ThreadForked)
    assert first.origin_position == 4, "before the tool call"


def test_the_inspector_forks_at_any_position_also_of_what_is_shared(desk: Desk) -> None:
    origin = desk.write("fruit", HISTORY)
    middle = desk.write("vegetables", [ThreadForked(origin_stream_name=origin, origin_position=7)])
    app = desk.app(middle)

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆ pears it is"))
        await pilot.press("ctrl+l", "home", "down", "down")
        await until(pilot, shows(pilot, "LLMResponseReceived at 2"))
        await pilot.press("f")
        await until(pilot, lambda: app.conversation.stream_name != middle)
        await until(pilot, shows(pilot, "forked from"))

    play(app, story)

    expected = ThreadForked(origin_stream_name=origin, origin_position=2)
    assert desk.events(app.conversation.stream_name) == [expected]
