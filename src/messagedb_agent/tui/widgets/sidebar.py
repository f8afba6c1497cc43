"""The threads there are: newest first, with a search."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from messagedb_agent.store.threads import ThreadSummary
from messagedb_agent.tui.activity import price
from messagedb_agent.tui.text import one_line, visible

_STATUSES = {
    "active": ("●", "$text-accent"),
    "waiting": ("?", "$text-warning"),
    "completed": ("✓", "$text-success"),
    "failed": ("!", "$text-error"),
    "interrupted": ("■", "$text-warning"),
    "limit": ("▲", "$text-warning"),
}

_TITLE_WIDTH = 28


class Sidebar(Vertical):
    """A list of threads to choose from."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Back", show=False),
        Binding("down", "app.focus('threads')", show=False),
    ]

    class Chosen(Message):
        """Somebody wants to see this thread."""

        def __init__(self, stream_name: str) -> None:
            super().__init__()
            self.stream_name = stream_name

    class Left(Message):
        """Somebody is done with the list."""

    def __init__(self) -> None:
        super().__init__(id="sidebar")
        self._threads: tuple[ThreadSummary, ...] = ()
        self._titles: dict[str, str] = {}
        self._costs: dict[str, float | None] = {}
        self._current: str | None = None

    def compose(self) -> ComposeResult:
        """The search and the list."""
        yield Input(placeholder="search threads", id="search", compact=True)
        yield OptionList(id="threads", compact=True)

    def show(self, threads: tuple[ThreadSummary, ...], titles: dict[str, str]) -> None:
        """Show these threads."""
        self._threads, self._titles = threads, titles
        self._fill()

    def price(self, costs: dict[str, float | None]) -> None:
        """Show what threads cost, in US dollars."""
        self._costs = costs
        self._fill()

    def mark(self, stream_name: str) -> None:
        """This is the thread on the screen."""
        self._current = stream_name
        self._fill()

    def title_of(self, stream_name: str) -> str | None:
        """What the list calls a thread."""
        return self._titles.get(stream_name)

    def search(self) -> None:
        """Be ready for somebody to look for a thread."""
        self.query_one("#search").focus()

    def action_leave(self) -> None:
        """Give up looking for a thread."""
        self.post_message(self.Left())

    @on(Input.Changed, "#search")
    def _narrow(self) -> None:
        self._fill()

    @on(Input.Submitted, "#search")
    def _take_first(self) -> None:
        if found := self._found():
            self.post_message(self.Chosen(found[0].stream_name))

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        if event.option.id is not None:
            self.post_message(self.Chosen(event.option.id))

    def _found(self) -> list[ThreadSummary]:
        words = self.query_one("#search", Input).value.lower().split()
        return [
            thread
            for thread in self._threads
            if all(word in self._searched(thread) for word in words)
        ]

    def _searched(self, thread: ThreadSummary) -> str:
        title = self._titles.get(thread.stream_name, "")
        return f"{title} {thread.thread_id} {thread.status}".lower()

    def _fill(self) -> None:
        options = self.query_one(OptionList)
        highlighted = options.highlighted_option
        kept = highlighted.id if highlighted is not None else self._current
        found = self._found()
        options.set_options([Option(self._line(thread), id=thread.stream_name) for thread in found])
        names = [thread.stream_name for thread in found]
        if kept in names:
            options.highlighted = names.index(kept)

    def _line(self, thread: ThreadSummary) -> Content:
        sign, style = _STATUSES.get(thread.status, ("·", "dim"))
        title = one_line(self._titles.get(thread.stream_name, thread.thread_id), _TITLE_WIDTH)
        is_current = thread.stream_name == self._current
        cost = self._costs.get(thread.stream_name, 0.0)
        paid = [] if cost == 0 else [price(cost)]
        facts = " · ".join([visible(thread.status), age(thread.last_activity), *paid])
        return (
            Content.styled(f"{sign} ", style)
            + Content.styled(title, "bold" if is_current else "")
            + Content("\n  ")
            + Content.styled(facts, "dim")
        )


def age(timestamp: str, now: datetime | None = None) -> str:
    """How long ago that was."""
    then = datetime.fromisoformat(timestamp)
    seconds = ((now or datetime.now(UTC)) - then).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit} ago"
    return "now"
