"""The screen, as far as it only shows: one thread, the list of all, what goes on."""

from __future__ import annotations

import os
from functools import partial

from textual import on
from textual.app import App, ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Markdown, Static

from messagedb_agent.tui import messages
from messagedb_agent.tui.activity import Activity
from messagedb_agent.tui.conversation import Conversation
from messagedb_agent.tui.dialogs.context import ContextScreen
from messagedb_agent.tui.runner import Runner
from messagedb_agent.tui.services import Services
from messagedb_agent.tui.tail import Tail, ThreadList
from messagedb_agent.tui.text import one_line
from messagedb_agent.tui.widgets.chat import Chat
from messagedb_agent.tui.widgets.inspector import Inspector
from messagedb_agent.tui.widgets.prompt import READY, Prompt
from messagedb_agent.tui.widgets.sidebar import Sidebar
from messagedb_agent.tui.widgets.status import StatusLine

ENDED = "This thread has ended and takes no more messages · ^r reopens it"
WELCOME = "A new thread. Ask something; ^t shows the threads there are, ^p all commands."
TICK_SECONDS = 0.25
NOTE_SECONDS = 0.2


class Viewer(App[None]):
    """
    Shows one thread, live, whoever drives it.

    Whatever takes time happens on other threads of execution, which post messages; nothing
    here waits for the store or for a model.
    """

    TITLE = "messagedb-agent"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - typed by App

    def __init__(self, services: Services, stream_name: str | None = None) -> None:
        super().__init__()
        if "TEXTUAL_ANIMATIONS" not in os.environ:
            # Scrolling in many small steps makes a slow line slower.
            self.animation_level = "none"
        self.services = services
        self.conversation = Conversation(stream_name or services.new_stream())
        self.runner = Runner(services, self.post_safely)
        self._is_new = stream_name is None
        self._tail: Tail | None = None
        self._threads: ThreadList | None = None
        self._problem: str | None = None
        self._costs: dict[str, float | None] = {}

    def compose(self) -> ComposeResult:
        """Title, threads, chat, events, status, prompt, keys."""
        yield Static("", id="title", markup=False)
        with Horizontal(id="main"):
            yield Sidebar()
            yield Chat()
            yield Inspector()
        yield StatusLine()
        with Horizontal(id="prompt-row"):
            yield Static(">", classes="sign")
            yield Prompt()
        yield Footer(compact=True)

    async def on_mount(self) -> None:
        """Show the thread that was asked for, or a new one."""
        self._threads = ThreadList(self.services, self.post_safely)
        self.set_interval(TICK_SECONDS, self.tick)
        await self.open(self.conversation.stream_name, is_new=self._is_new)

    def on_unmount(self) -> None:
        """Look at nothing any more."""
        for poller in (self._tail, self._threads):
            if poller is not None:
                poller.close()

    def post_safely(self, message: Message) -> None:
        """Take a message from any thread, also after the screen is gone."""
        try:
            self.post_message(message)
        except RuntimeError:
            # The event loop has ended: there is nobody left to tell.
            return

    @property
    def base(self) -> Screen[object]:
        """The screen below all dialogs."""
        return self.screen_stack[0]

    @property
    def chat(self) -> Chat:
        """The entries of the thread."""
        return self.base.query_one(Chat)

    @property
    def prompt(self) -> Prompt:
        """Where messages are written."""
        return self.base.query_one(Prompt)

    @property
    def sidebar(self) -> Sidebar:
        """The list of threads."""
        return self.base.query_one(Sidebar)

    @property
    def is_driving(self) -> bool:
        """Whether a run of this program has the thread on the screen."""
        return self.runner.is_driving(self.conversation.stream_name)

    @property
    def activity(self) -> Activity:
        """What goes on in the thread on the screen."""
        return self.conversation.activity(driving=self.is_driving)

    async def open(self, stream_name: str, *, is_new: bool = False) -> None:
        """Put a thread on the screen."""
        if self._tail is not None:
            self._tail.close()
        self.conversation = Conversation(stream_name)
        if is_new:
            self.conversation.greet(WELCOME)
        await self.chat.end_live()
        await self.chat.show(self.conversation.presenter.entries)
        self._tail = Tail(self.services, stream_name, self.post_safely)
        if self._threads is not None:
            self._threads.include(stream_name)
        self.sidebar.mark(stream_name)
        self.refresh_all()
        self.prompt.focus()

    def refresh_all(self) -> None:
        """Show what goes on, wherever it is told."""
        conversation = self.conversation
        shown = f"{conversation.title} · {conversation.thread_id[:8]}"
        self.base.query_one("#title", Static).update(shown)
        is_ended = self.activity.condition == "ended"
        if self.prompt.disabled != is_ended:
            self.prompt.disabled = is_ended
            self.prompt.placeholder = ENDED if is_ended else READY
            (self.chat if is_ended else self.prompt).focus()
        if self.base.has_class("with-inspector"):
            self.base.query_one(Inspector).show(conversation.presenter.records)
        self.tick()

    @property
    def _is_shown(self) -> bool:
        """Whether there is a screen: not before it is put together, nor while it is left."""
        return bool(self.screen_stack) and bool(self.base.query(StatusLine))

    def tick(self) -> None:
        """Keep the status line up to date."""
        if not self._is_shown:
            return
        status = self.base.query_one(StatusLine)
        state = self.conversation.state
        status.show(
            self.activity,
            (state.session.model_name if state else None) or "",
            self.conversation.facts(self._costs),
            problem=self._problem,
            running=len(self.runner.streams),
        )

    async def note(self, problem: str) -> None:
        """Say in the chat what went wrong, without a word of it in the stream."""
        if self._is_shown:
            await self.chat.update(self.conversation.presenter.note("error", problem))

    def something_changed(self) -> None:
        """Events arrived, or a run ended: see whether that asks for anything."""

    @on(messages.Told)
    async def _hear(self, message: messages.Told) -> None:
        if not self._is_shown:
            return
        match message:
            case messages.Arrived():
                await self._take_events(message)
            case messages.Streamed(stream_name=name):
                await self._take_pieces(name)
            case messages.RunEnded():
                await self._end_run(message)
            case messages.Added(stream_name=name):
                self.runner.go_on(name)
                self.refresh_all()
            case messages.Failed(problem=problem, unsent=unsent):
                self._give_back(unsent)
                await self.note(problem)
            case messages.StoreChanged(problem=away):
                self._tell_store(away)
            case _:
                await self._hear_results(message)

    async def _hear_results(self, message: messages.Told) -> None:
        match message:
            case messages.Listed(threads=threads, titles=titles):
                self.sidebar.show(threads, titles)
            case messages.Priced(costs=costs):
                self._costs = costs
                self.sidebar.price(costs)
                self.tick()
            case messages.Forked(stream_name=name, point=point):
                await self.open(name)
                self.conversation.carry(point.files)
                self._give_back(point.message)
            case messages.Reviewed(found=found):
                self.push_screen(ContextScreen(found))

    async def _take_events(self, message: messages.Arrived) -> None:
        conversation = self.conversation
        if message.stream_name != conversation.stream_name:
            return
        is_first = not conversation.presenter.records
        changed = conversation.take(message, self.chat.streamed)
        if conversation.ends_answer(message):
            await self.chat.end_live()
            if self._threads is not None:
                self._threads.wake()
        if is_first:
            await self.chat.show(conversation.presenter.entries)
        else:
            await self.chat.update(changed)
        self.prompt.remember(conversation.presenter.said())
        self.refresh_all()
        self.something_changed()

    async def _take_pieces(self, stream_name: str) -> None:
        if self._tail is not None and stream_name == self.conversation.stream_name:
            await self.chat.feed(self._tail.pieces())
            await self.chat.update(self.conversation.progress(self._tail.progress()))

    def _tell_store(self, problem: str | None) -> None:
        self._problem = problem
        if problem is not None and self._tail is not None:
            self._tail.doubt()
        self.tick()

    def _give_back(self, unsent: str | None) -> None:
        """A message that is to be edited and sent again; what is being written stays."""
        if unsent and not self.prompt.text:
            self.prompt.set_text(unsent)

    async def _end_run(self, message: messages.RunEnded) -> None:
        self.runner.ended(message.stream_name)
        problem = message.problem
        if message.stream_name == self.conversation.stream_name:
            self._give_back(message.unsent)
            # The run's last events may still be on their way; they come first.
            self.set_timer(NOTE_SECONDS, partial(self._settle, self.conversation, problem))
        elif problem:
            self.notify(one_line(problem, 300), severity="error", markup=False)
        self.refresh_all()
        self.something_changed()

    async def _settle(self, conversation: Conversation, problem: str | None) -> None:
        """After a run: show what no event tells."""
        if conversation is not self.conversation or not self._is_shown:
            return
        if problem:
            if not self.is_driving:
                await self.chat.update(conversation.keep(self.chat.streamed))
                await self.chat.end_live()
            await self.note(problem)

    @on(Markdown.LinkClicked)
    def _tell_link(self, message: Markdown.LinkClicked) -> None:
        # Only shown: an answer must not be able to send anybody anywhere.
        self.notify(one_line(message.href, 300), title="link", markup=False)
