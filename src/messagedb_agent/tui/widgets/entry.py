"""One entry of the chat as a row: its sign, and what it says."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Markdown, Static

from messagedb_agent.tui.entries import SIGNS, Entry
from messagedb_agent.tui.render import (
    details,
    headline,
    markdown_parser,
    markdown_source,
    plain,
    with_note,
)

FOLDING = ("tool", "thinking")


def markdown(text: str | None = None) -> Markdown:
    """A Markdown widget for text that a model wrote."""
    source = None if text is None else markdown_source(text)
    return Markdown(source, parser_factory=markdown_parser, open_links=False)


class Fold(Vertical, can_focus=True):
    """A headline that shows more when it is opened; what is below is made only then."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "flip", "Open or close", show=False)
    ]

    def __init__(self, entry: Entry, *, is_open: bool) -> None:
        super().__init__()
        self._entry = entry
        self._is_open = is_open

    def compose(self) -> ComposeResult:
        """The headline, and the details when open."""
        yield Static(headline(self._entry, is_open=self._is_open), classes="headline")
        if self._is_open:
            yield Static(details(self._entry), classes="details")

    def show(self, entry: Entry) -> None:
        """Show a later state of the same entry."""
        self._entry = entry
        self.query_one(".headline", Static).update(headline(entry, is_open=self._is_open))
        for widget in self.query(".details").results(Static):
            widget.update(details(entry))

    async def open(self, *, is_open: bool) -> None:
        """Open or close."""
        if is_open == self._is_open:
            return
        self._is_open = is_open
        if is_open:
            await self.mount(Static(details(self._entry), classes="details"))
        else:
            await self.query(".details").remove()
        self.show(self._entry)

    async def action_flip(self) -> None:
        """Open what is closed, close what is open."""
        await self.open(is_open=not self._is_open)

    async def on_click(self) -> None:
        """The mouse does what Enter does."""
        await self.action_flip()


class EntryRow(Horizontal):
    """An entry of the chat; `is_open` is for those that fold."""

    def __init__(self, entry: Entry, *, is_open: bool) -> None:
        super().__init__(classes=f"entry {entry.kind}")
        self._entry = entry
        self._is_open = is_open

    @property
    def entry(self) -> Entry:
        """What the row shows."""
        return self._entry

    def compose(self) -> ComposeResult:
        """The sign, and the body that fits the kind."""
        yield Static(SIGNS[self._entry.kind], classes="sign")
        yield self._body()

    def _body(self) -> Widget:
        if self._entry.kind in FOLDING:
            return Fold(self._entry, is_open=self._is_open)
        if self._entry.kind == "answer":
            return markdown(self._entry.text)
        if self._entry.kind == "partial":
            note = Static(plain(self._entry.note), classes="note")
            return Vertical(markdown(self._entry.text), note, classes="body")
        return Static(with_note(self._entry), classes="body")

    async def show(self, entry: Entry) -> None:
        """Show a later state of the same entry."""
        self._entry = entry
        for fold in self.query(Fold):
            fold.show(entry)
        for body in self.query(".body").results(Static):
            body.update(with_note(entry))

    async def fold(self, *, is_open: bool) -> None:
        """Open or close it, if it folds."""
        for fold in self.query(Fold):
            await fold.open(is_open=is_open)
