"""What can be done on the screen: keys, commands, and the questions of tools."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from textual import on
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen
from textual.widgets import TextArea

from messagedb_agent.engine.session import interrupt_session, reopen_session, terminate_session
from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.store.base import EventStore
from messagedb_agent.tui.conversation import key_of
from messagedb_agent.tui.dialogs.approval import ApprovalDialog, Verdict
from messagedb_agent.tui.dialogs.ask import AskDialog
from messagedb_agent.tui.dialogs.fork import ForkDialog
from messagedb_agent.tui.errands import context_at, decide, fork, rename
from messagedb_agent.tui.forking import ForkPoint, fork_at, fork_points
from messagedb_agent.tui.messages import Added, Forked, Reviewed
from messagedb_agent.tui.text import one_line
from messagedb_agent.tui.viewer import Viewer
from messagedb_agent.tui.widgets.entry import EntryRow
from messagedb_agent.tui.widgets.inspector import EventList, Inspector
from messagedb_agent.tui.widgets.prompt import Prompt
from messagedb_agent.tui.widgets.sidebar import Sidebar

_OF_THE_THREAD = ("new", "threads", "inspect", "fold", "fork", "go_on", "decide", "rename", "stop")


class AgentApp(Viewer):
    """One thread at a time on the screen; others may go on meanwhile."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+n", "new", "New", priority=True),
        Binding("ctrl+t", "threads", "Threads", priority=True),
        Binding("ctrl+l", "inspect", "Events", priority=True),
        Binding("ctrl+o", "fold", "Unfold", priority=True),
        Binding("ctrl+f", "fork", "Fork", priority=True),
        Binding("ctrl+r", "go_on", "Continue", priority=True, show=False),
        Binding("ctrl+y", "decide", "Decide", priority=True, show=False),
        Binding("f2", "rename", "Rename", show=False),
        Binding("escape", "stop", "Stop"),
        Binding("ctrl+c", "copy_or_quit", "Quit", priority=True),
        Binding("q", "quit", "Quit", show=False),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What is done to the thread is not done behind a dialog."""
        if action in _OF_THE_THREAD and isinstance(self.screen, ModalScreen):
            return False
        return super().check_action(action, parameters)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers."""
        yield from super().get_system_commands(screen)
        yield SystemCommand("New thread", "Begin a new thread (^n)", self.action_new)
        yield SystemCommand("Threads", "Look for a thread (^t)", self.action_threads)
        yield SystemCommand("Rename", "Give the thread a name (F2)", self.action_rename)
        yield SystemCommand("Continue", "Go on, take over or reopen (^r)", self.action_go_on)
        yield SystemCommand("Decide", "Answer what tools wait for (^y)", self.action_decide)
        yield SystemCommand("Stop", "Interrupt the running turn (Escape)", self.action_stop)
        yield SystemCommand("End thread", "It takes no more messages", self.action_end)
        yield SystemCommand(
            "Fork", "Begin a thread from a message of this one (^f)", self.action_fork
        )
        yield SystemCommand("Context", "What the model saw at this point", self.action_context)
        yield SystemCommand("Events", "The raw stream beside the chat (^l)", self.action_inspect)
        yield SystemCommand("Light or dark", "Switch between the two", self.action_light_or_dark)

    @on(Prompt.Sent)
    async def _say(self, message: Prompt.Sent) -> None:
        conversation = self.conversation
        self.runner.say(conversation.stream_name, message.text, conversation.carried or None)
        await self.chat.to_end()
        self.refresh_all()

    @on(TextArea.Changed, "#prompt")
    def _written(self) -> None:
        self.something_changed()

    @on(Sidebar.Chosen)
    async def _choose(self, message: Sidebar.Chosen) -> None:
        self.base.remove_class("with-sidebar")
        if message.stream_name != self.conversation.stream_name:
            await self.open(message.stream_name)
        self.prompt.focus()

    @on(Sidebar.Left)
    def _leave_sidebar(self) -> None:
        self.base.remove_class("with-sidebar")
        self.prompt.focus()

    def something_changed(self) -> None:
        """Ask about the next call that waits for a person, or stop asking about one."""
        shown = self.screen
        if isinstance(shown, ApprovalDialog):
            pending = self.conversation.state.calls.pending if self.conversation.state else ()
            if key_of(shown.call) not in map(key_of, pending):
                shown.dismiss(None)
            return
        questions = self.conversation.open_questions()
        # Nobody who is writing is interrupted: Enter or a letter would be taken for an answer.
        is_waiting = self.activity.condition == "waiting"
        is_free = is_waiting and shown is self.base and not self.prompt.text
        if questions and is_free:
            self._ask_about(questions[0], len(questions))

    def _ask_about(self, call: CallState, count: int) -> None:
        stream_name = self.conversation.stream_name
        more = f" ({count - 1} more waiting)" if count > 1 else ""
        dialog = ApprovalDialog(call, more)
        self.push_screen(dialog, partial(self._answered, stream_name, call))

    def _answered(self, stream_name: str, call: CallState, verdict: Verdict | None) -> None:
        self.conversation.settled.add(key_of(call))
        is_last = not self.conversation.open_questions()
        if verdict is not None:

            def write() -> None:
                decide(self.services, stream_name, call, verdict)
                self.runner.announce(stream_name)
                if is_last:
                    self.post_safely(Added(stream_name))

            self.runner.apart(write)
        self.call_after_refresh(self.something_changed)

    def action_page(self, direction: int) -> None:
        """Scroll the chat by a page while something is written."""
        if direction < 0:
            self.chat.scroll_page_up(animate=False)
        else:
            self.chat.scroll_page_down(animate=False)

    async def action_new(self) -> None:
        """Begin a new thread."""
        await self.open(self.services.new_stream(), is_new=True)

    def action_threads(self) -> None:
        """Show the threads, look for one, or hide them again."""
        if self.sidebar.display and self.sidebar.has_focus_within:
            self.base.remove_class("with-sidebar").add_class("without-sidebar")
            self.prompt.focus()
        else:
            is_narrow = self.base.has_class("-narrow")
            self.base.remove_class("without-sidebar", *(["with-inspector"] if is_narrow else []))
            self.base.add_class("with-sidebar")
            self.sidebar.search()

    def action_inspect(self) -> None:
        """Show the raw stream beside the chat, or hide it."""
        self.base.toggle_class("with-inspector")
        if self.base.has_class("with-inspector"):
            inspector = self.base.query_one(Inspector)
            inspector.show(self.conversation.presenter.records)
            inspector.query_one(EventList).focus()
        else:
            self.prompt.focus()

    def action_fork(self) -> None:
        """Ask from where to fork the thread."""
        points = fork_points(self.conversation.presenter.entries)
        if not points:
            self.notify("there is nothing to fork from yet")
            return
        row = next((w for w in self._focused_rows()), None)
        self.push_screen(ForkDialog(points, row.entry if row else None), self._fork)

    def _focused_rows(self) -> Iterable[EntryRow]:
        nodes = self.focused.ancestors_with_self if self.focused else ()
        return (node for node in nodes if isinstance(node, EntryRow))

    def action_fork_here(self) -> None:
        """Fork the thread right after the event that the inspector shows."""
        record = self.base.query_one(EventList).selected
        if record is not None:
            self._fork(fork_at(record))

    def _fork(self, point: ForkPoint | None) -> None:
        if point is not None:

            def do() -> None:
                self.post_safely(Forked(fork(self.services, point), point))

            self.runner.apart(do)

    def action_context(self) -> None:
        """Show what the model saw up to the event that the inspector shows, or to the last."""
        records = self.conversation.presenter.records
        selected = self.base.query_one(EventList).selected
        is_inspecting = self.base.has_class("with-inspector")
        record = selected if is_inspecting else records[-1] if records else None
        if record is not None:

            def do() -> None:
                found = context_at(self.services, record.stream_name, record.position)
                self.post_safely(Reviewed(found))

            self.runner.apart(do)

    async def action_fold(self) -> None:
        """Open all tool calls and thoughts, or close them."""
        await self.chat.fold_all()

    def action_stop(self) -> None:
        """Interrupt the turn, whoever drives it; else go back to writing."""
        condition = self.activity.condition
        if condition == "busy":
            self.runner.stop(self.conversation.stream_name)
        elif condition in ("elsewhere", "unfinished"):
            self._errand(interrupt_session)
        else:
            self.prompt.focus()

    def action_go_on(self) -> None:
        """Do what the status line offers: go on, try again, take over, decide, reopen."""
        match self.activity.condition:
            case "ended":
                self._errand(reopen_session)
            case "waiting":
                self.action_decide()
            case "halted" | "unfinished" | "elsewhere":
                self.runner.resume(self.conversation.stream_name)
                self.refresh_all()
            case _:
                self.notify("there is nothing to go on with")

    def action_decide(self) -> None:
        """Ask again about the calls that were put off."""
        self.conversation.settled.clear()
        questions = self.conversation.open_questions()
        if questions and self.activity.condition == "waiting":
            self._ask_about(questions[0], len(questions))

    def action_rename(self) -> None:
        """Ask for a new name."""
        stream_name, state = self.conversation.stream_name, self.conversation.state
        if state is None or state.session.status == "new":
            self.notify("the thread begins with its first message; it can be renamed then")
            return

        def take(title: str | None) -> None:
            if title is not None:
                self._errand(lambda _store, name: rename(self.services, name, title), stream_name)

        self.push_screen(AskDialog("New name of this thread", state.session.title or ""), take)

    def action_end(self) -> None:
        """End the thread."""
        if self.activity.condition not in ("opening", "new", "ended"):
            self._errand(terminate_session)

    def _errand(
        self, work: Callable[[EventStore, str], object], stream_name: str | None = None
    ) -> None:
        name = stream_name or self.conversation.stream_name

        def do() -> None:
            work(self.services.store, name)
            self.runner.announce(name)

        self.runner.apart(do)

    def action_light_or_dark(self) -> None:
        """Switch between a light and a dark theme."""
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_copy_or_quit(self) -> None:
        """Copy what is selected, or quit when nothing is."""
        focused = self.focused
        selected = focused.selected_text if isinstance(focused, TextArea) else ""
        if selected := selected or self.screen.get_selected_text() or "":
            self.copy_to_clipboard(selected)
            self.notify(f"copied: {one_line(selected, 60)}", markup=False)
        else:
            self.exit()
