"""The list of threads, and going from one to another."""

from __future__ import annotations

from textual.pilot import Pilot

from messagedb_agent.events.agent import LLMResponseReceived
from messagedb_agent.events.system import SessionStarted
from messagedb_agent.events.user import ThreadRenamed, UserMessageAdded
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.stream import build_stream_name
from messagedb_agent.tui.services import Services
from messagedb_agent.tui.widgets.inspector import EventList
from tests.tui.conftest import Desk, play, shows, text_of, until, write


def thread(desk: Desk, name: str) -> str:
    return desk.write(
        name,
        [
            SessionStarted(thread_id=name),
            UserMessageAdded(message=f"about {name}"),
            LLMResponseReceived(response_text=f"{name} it is"),
        ],
    )


def test_threads_are_found_and_opened(desk: Desk) -> None:
    thread(desk, "apples")
    thread(desk, "pears")
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+t")
        await until(pilot, shows(pilot, "about apples"))
        lines = text_of(app).splitlines()
        places = [
            next(i for i, line in enumerate(lines) if f"about {name}" in line)
            for name in ("pears", "apples")
        ]
        assert places == sorted(places), "newest first"
        await pilot.press(*"apple")
        await until(pilot, lambda: "about pears" not in text_of(app))
        await pilot.press("enter")
        await until(pilot, shows(pilot, "◆ apples it is"))

    play(app, story)


def test_threads_of_all_shards_are_in_the_list(desk: Desk) -> None:
    thread(desk, "apples")
    said = UserMessageAdded(message="about plums")
    desk.store.append(f"{desk.category}+03:v0-plums", [NewEvent(event=said)])
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+t")
        await until(pilot, shows(pilot, "about apples"))
        await until(pilot, shows(pilot, "about plums"))

    play(app, story)


def test_a_new_thread_begins_in_its_shard(desk: Desk) -> None:
    services = Services(store=desk.store, make_agent=desk.agent, category=desk.category, shards=4)
    name = services.new_stream()

    assert name == build_stream_name(desk.category, "v0", name.partition("-")[2], 4)


def test_a_run_goes_on_when_another_thread_is_looked_at(desk: Desk) -> None:
    pears = thread(desk, "pears")
    gate = desk.hesitates(text="slow but sure")
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "hello")
        await until(pilot, shows(pilot, "◆ slow"))
        first = app.conversation.stream_name
        await app.open(pears)
        await until(pilot, shows(pilot, "1 more running"))
        gate.set()
        await until(pilot, lambda: not app.runner.streams)
        await app.open(first)
        await until(pilot, shows(pilot, "◆ slow but sure"))

    play(app, story)


def test_a_thread_gets_a_name(desk: Desk) -> None:
    stream_name = thread(desk, "pears")
    app = desk.app(stream_name)

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "pears it is"))
        await pilot.press("f2", *"fruit", "enter")
        await until(pilot, lambda: text_of(app).startswith(" fruit · pears"))

    play(app, story)

    assert desk.events(stream_name)[-1] == ThreadRenamed(title="fruit")


def test_the_inspector_shows_the_stream_position_by_position(desk: Desk) -> None:
    app = desk.app(thread(desk, "pears"))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "pears it is"))
        await pilot.press("ctrl+l")
        await until(pilot, shows(pilot, "LLMResponseReceived at 2"))
        await pilot.press("up")
        await until(pilot, shows(pilot, "UserMessageAdded at 1"))
        assert '"message": "about pears"' in text_of(app)
        assert app.query_one(EventList).cursor == 1
        await pilot.press("ctrl+l")
        await until(pilot, lambda: "UserMessageAdded" not in text_of(app))

    play(app, story)


def test_q_and_ctrl_c_quit_and_light_is_not_dark(desk: Desk) -> None:
    for keys in (["tab", "q"], ["ctrl+c"]):
        app = desk.app()

        async def story(pilot: Pilot[None], keys: list[str] = keys) -> None:
            await pilot.press("q")
            assert pilot.app.is_running, "it is a letter where messages are written"
            was_dark = pilot.app.current_theme.dark
            await pilot.app.run_action("light_or_dark")
            assert pilot.app.current_theme.dark is not was_dark
            await pilot.press(*keys)

        play(app, story)
        assert app._exit
