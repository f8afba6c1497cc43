"""Saying something, and seeing what comes of it."""

from __future__ import annotations

import threading

from textual.pilot import Pilot

from messagedb_agent.engine.live import Announcer
from messagedb_agent.engine.session import start_session, terminate_session
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ModelUnavailableError
from messagedb_agent.events.agent import LLMCallFailed, LLMResponseReceived
from messagedb_agent.events.system import SessionStarted, TurnInterrupted
from messagedb_agent.events.user import ThreadRenamed, ThreadReopened, UserMessageAdded
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.projections.thread_state import THREAD_STATE
from messagedb_agent.tools.base import ToolContext
from messagedb_agent.tools.define import tool
from messagedb_agent.tui.app import AgentApp
from messagedb_agent.tui.conversation import BROKEN_OFF, Conversation
from messagedb_agent.tui.dialogs.approval import ApprovalDialog
from messagedb_agent.tui.messages import Arrived
from messagedb_agent.tui.widgets.live import Live
from messagedb_agent.workers.schema import install
from tests.message_db import outage
from tests.tui.conftest import (
    PATIENCE_SECONDS,
    Desk,
    play,
    recorded,
    shows,
    text_of,
    until,
    write,
)


def test_a_message_is_answered_on_the_screen(desk: Desk) -> None:
    desk.says({"text": "It is **42**.", "usage": {"total_tokens": 1234}})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press(*"6 * 7?", "enter")
        await until(pilot, shows(pilot, "It is 42."))
        await until(pilot, shows(pilot, "· ready │ scripted │ 1,234 tokens"))
        assert "> 6 * 7?" in text_of(app)

    play(app, story)

    assert UserMessageAdded in map(type, desk.events(app.conversation.stream_name))


def test_an_answer_appears_while_it_is_generated(desk: Desk) -> None:
    gate = desk.hesitates(thinking="let me see", text="one two three")
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "count")
        await until(pilot, shows(pilot, "◆ one"))
        assert "~ let me see" in text_of(app)
        assert "three" not in text_of(app)
        gate.set()
        await until(pilot, shows(pilot, "one two three"))
        await until(pilot, lambda: not app.query_one(Live).children)

    play(app, story)


def test_lines_history_and_paste(desk: Desk) -> None:
    desk.says({"text": "yes"}, {"text": "yes, again"})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await pilot.press("a", "ctrl+j", "b")
        assert app.prompt.text == "a\nb"
        await pilot.press("left", "left", "ctrl+j", "c")
        assert app.prompt.text == "a\nc\nb"
        await pilot.press("backspace", "backspace", "enter")
        await until(pilot, shows(pilot, "ready"))
        await pilot.press("x", "up")
        assert app.prompt.text == "a\nb"
        await pilot.press("down")
        assert app.prompt.text == "x"
        app.copy_to_clipboard("one\r\ntwo\x1b[2J")
        await pilot.press("ctrl+v")
        assert "\x1b" not in text_of(app)
        await pilot.press("!")
        assert app.prompt.text == "xone\ntwo\\x1b[2J!"

    play(app, story)


def test_escape_interrupts_and_the_thread_goes_on(desk: Desk) -> None:
    desk.says({"text": "a b c d", "chunk_delay_seconds": 30})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "go")
        await until(pilot, shows(pilot, "◆ a"))
        await pilot.press("escape")
        await until(pilot, shows(pilot, "interrupted · ^r goes on"))
        desk.says({"text": "all of it"})
        await pilot.press("ctrl+r")
        await until(pilot, shows(pilot, "◆ all of it"))

    play(app, story)

    assert TurnInterrupted in map(type, desk.events(app.conversation.stream_name))


def test_what_was_said_before_an_interruption_stays_on_the_screen(desk: Desk) -> None:
    desk.says({"text": "a b c d", "chunk_delay_seconds": 30})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "go")
        await until(pilot, shows(pilot, "◆ a"))
        await pilot.press("escape")
        await until(pilot, shows(pilot, "interrupted · ^r goes on"))
        shown = text_of(app)
        assert "◇ a\n" in shown
        assert BROKEN_OFF in shown
        assert shown.index("◇ a") < shown.index("· interrupted: user")

    play(app, story)


def test_a_failed_call_that_is_tried_again_leaves_no_beginning_of_an_answer() -> None:
    conversation = Conversation("agent:v0-x")
    again, last = recorded(
        [
            LLMCallFailed(error_message="cut", retryable=True),
            LLMCallFailed(error_message="cut", retryable=False),
        ]
    )

    conversation.take(Arrived("agent:v0-x", (again,), THREAD_STATE.initial), "half an ans")
    conversation.take(Arrived("agent:v0-x", (last,), THREAD_STATE.initial), "half an answ")

    kinds = [(entry.kind, entry.text) for entry in conversation.presenter.entries]
    assert [kind for kind, _ in kinds] == ["error", "partial", "error"]
    assert kinds[1][1] == "half an answ"


def test_a_message_during_a_run_is_taken_up_by_it(desk: Desk) -> None:
    gate = desk.hesitates(text="first answer")
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "one")
        await until(pilot, shows(pilot, "◆ first"))
        await write(pilot, "two")
        await until(pilot, shows(pilot, "> two"))
        gate.set()
        await until(pilot, lambda: text_of(app).count("◆ first answer") == 2)

    play(app, story)


def test_a_run_elsewhere_is_followed(desk: Desk) -> None:
    thread_id = start_session(desk.store, "hello", category=desk.category)
    app = desk.app(desk.stream(thread_id))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "unfinished · ^r takes over"))
        with AgentThread(desk.store, desk.stream(thread_id)) as thread:
            desk.llm = ScriptedModel([{"text": "from elsewhere"}])
            thread.run(desk.agent(thread.state))
        await until(pilot, shows(pilot, "◆ from elsewhere"))
        with AgentThread(desk.store, desk.stream(thread_id)):
            await write(pilot, "and this?")
            await until(pilot, shows(pilot, "following"))
        await until(pilot, shows(pilot, "> and this?"))

    play(app, story)


def test_an_answer_that_is_generated_elsewhere_appears_as_it_comes(desk: Desk) -> None:
    thread_id = start_session(desk.store, "hello", category=desk.category)
    stream_name = desk.stream(thread_id)
    gate = desk.hesitates(text="one two three")
    app = desk.app(stream_name)

    def drive() -> None:
        with Announcer(desk.store) as announcer:
            voice = announcer.voice(stream_name)
            with AgentThread(
                desk.store, stream_name, observers=(voice.on_event,), on_delta=voice.on_delta
            ) as thread:
                voice.begin()
                thread.run(desk.agent(thread.state))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "unfinished"))
        elsewhere = threading.Thread(target=drive)
        elsewhere.start()
        await until(pilot, shows(pilot, "◆ one"))
        assert "three" not in text_of(app)
        gate.set()
        await until(pilot, shows(pilot, "◆ one two three"))
        elsewhere.join()

    play(app, story)


def test_what_a_tool_tells_is_shown_while_it_runs(desk: Desk) -> None:
    gate = threading.Event()

    @tool(permission="allow")
    def climb(context: ToolContext) -> str:
        """Tell the first step, and wait before the second one."""
        context.progress("1 of 2")
        gate.wait(PATIENCE_SECONDS)
        return "on top"

    desk.more_tools = (climb,)
    desk.says({"tool_calls": [{"name": "climb"}]}, {"text": "There."})
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "go up")
        await until(pilot, shows(pilot, "… running: 1 of 2"))
        gate.set()
        await until(pilot, shows(pilot, "◆ There."))
        assert "1 of 2" not in text_of(app)

    play(app, story)


def test_a_worker_is_reminded_of_what_nobody_may_approve(desk: Desk) -> None:
    with desk.store.connection() as connection:
        install(connection, f"{desk.category}:v0")
    desk.says({"tool_calls": [{"name": "shout", "arguments": {"text": "hi"}}]})
    desk.approval_timeout = 3600
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "call out")
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))

    play(app, story)
    with desk.store.connection() as connection:
        row = connection.execute(
            "SELECT args ? 'only_time' FROM agent_queue.procrastinate_jobs WHERE lock = %s",
            (app.conversation.stream_name,),
        ).fetchone()
    assert row == (True,)


def test_escape_interrupts_a_run_elsewhere_too(desk: Desk) -> None:
    thread_id = start_session(desk.store, "hello", category=desk.category)
    desk.says({"text": "never said", "delay_seconds": 60})
    app = desk.app(desk.stream(thread_id))

    def drive() -> None:
        with AgentThread(desk.store, desk.stream(thread_id)) as thread:
            thread.run(desk.agent(thread.state))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "unfinished"))
        elsewhere = threading.Thread(target=drive)
        elsewhere.start()
        await until(pilot, shows(pilot, "asking the model, elsewhere"))
        await pilot.press("escape")
        await until(pilot, shows(pilot, "interrupted · ^r goes on"))
        elsewhere.join()

    play(app, story)


def test_an_ended_thread_refuses_input_until_it_is_reopened(desk: Desk) -> None:
    thread_id = start_session(desk.store, "hello", category=desk.category)
    terminate_session(desk.store, desk.stream(thread_id))
    app = desk.app(desk.stream(thread_id))

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "This thread has ended"))
        await pilot.press("x", "enter")
        assert app.prompt.text == ""
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not app.prompt.disabled)

    play(app, story)

    assert ThreadReopened in map(type, desk.events(app.conversation.stream_name))


def test_a_model_that_can_not_be_used_is_an_error_on_the_screen(desk: Desk) -> None:
    def no_agent(_state: object) -> object:
        raise ModelUnavailableError("there is no such model")

    desk.agent = no_agent  # type: ignore[method-assign, assignment]  # a stand-in for bad settings
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await write(pilot, "hello")
        await until(pilot, shows(pilot, "! there is no such model"))
        await until(pilot, shows(pilot, "> hello"))

    play(app, story)


def test_a_store_that_fails_is_told_in_the_status_line(desk: Desk) -> None:
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "new thread"))
        desk.store.close()
        await until(pilot, shows(pilot, "store away"))
        await write(pilot, "anybody?")
        await until(pilot, shows(pilot, "! the event store was closed"))
        assert app.prompt.text == "anybody?"

    play(app, story)


def test_a_store_that_comes_back_is_told_too(desk: Desk, dsn: str) -> None:
    take_away, give_back = outage(dsn)
    app = desk.app()

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "store ok"))
        take_away()
        try:
            await until(pilot, shows(pilot, "store away"))
        finally:
            give_back()
        await until(pilot, shows(pilot, "store ok"))

    play(app, story)


def test_what_a_stream_says_is_never_markup(desk: Desk) -> None:
    evil = "[red]no[/red] [@click=app.quit]x[/] \x1b[2J"
    stream_name = desk.write(
        "evil",
        [
            SessionStarted(thread_id="evil"),
            UserMessageAdded(message=evil),
            ThreadRenamed(title=evil),
            LLMResponseReceived(response_text=f"{evil} <b>html</b>"),
        ],
    )
    app = desk.app(stream_name)

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "◆"))
        shown = text_of(app)
        assert shown.count("[red]no[/red] [@click=app.quit]x[/] \\x1b[2J") >= 3
        assert "<b>html</b>" in shown
        await pilot.press("ctrl+t")
        await until(pilot, shows(pilot, "● [red]no[/red]"))
        assert "\x1b" not in text_of(app)

    play(app, story, size=(120, 30))


def reaches_the_end(app: AgentApp) -> bool:
    app.chat.scroll_end(animate=False)
    return "answer 4999" in text_of(app)


def test_a_thread_of_ten_thousand_events_has_few_widgets_and_scrolls(desk: Desk) -> None:
    stream_name = desk.write(
        "long",
        [
            SessionStarted(thread_id="long"),
            *(
                event
                for number in range(5000)
                for event in (
                    UserMessageAdded(message=f"question {number}"),
                    LLMResponseReceived(response_text=f"answer {number}"),
                )
            ),
        ],
    )
    app = desk.app(stream_name)

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, shows(pilot, "answer 4999"))
        assert app.chat.row_count <= app.chat.most_rows
        for _ in range(4):
            app.chat.scroll_home(animate=False)
            await pilot.pause(0.05)
        assert app.chat.row_count <= app.chat.most_rows
        assert "answer 4999" not in text_of(app)
        await until(pilot, lambda: reaches_the_end(app))
        assert app.chat.row_count <= app.chat.most_rows
        await app.chat.to_start()
        await until(pilot, shows(pilot, "answer 1"))
        await app.chat.to_end()
        await until(pilot, shows(pilot, "answer 4999"))

    play(app, story)
