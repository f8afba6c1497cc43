"""From where to begin another thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from messagedb_agent.tui.entries import SIGNS, Entry
from messagedb_agent.tui.forking import ForkPoint
from messagedb_agent.tui.text import compact, one_line

_WIDTH = 200
_LISTED = 200


class ForkDialog(ModalScreen[ForkPoint | None]):
    """
    Asks for a message, an answer or a tool call; None when somebody leaves it.

    The message that was said last is proposed, or the entry that has the focus. Of a long
    thread only what is near that is listed; the search goes through all of it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave it"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
    ]

    def __init__(self, points: Sequence[ForkPoint], proposed: Entry | None) -> None:
        super().__init__()
        self._points = points
        self._found = list(range(len(points)))
        self._proposed = self._place_of(proposed)

    def _place_of(self, entry: Entry | None) -> int:
        places = [i for i, point in enumerate(self._points) if point.entry == entry]
        said = [i for i, point in enumerate(self._points) if point.message is not None]
        return (places or said or [len(self._points) - 1])[-1]

    def compose(self) -> ComposeResult:
        """The question, a search, the places, and the keys."""
        with Vertical(id="dialog"):
            yield Static("Fork: a new thread that begins as this one did, up to …", markup=False)
            yield Input(placeholder="search", id="fork-search", compact=True)
            yield OptionList(id="places", compact=True)
            keys = "[enter] fork: a message of yours is to be said anew  esc leave it"
            yield Static(keys, id="keys", markup=False)

    def on_mount(self) -> None:
        """Show all places."""
        self._fill()
        self.query_one("#fork-search").focus()

    def action_move(self, lines: int) -> None:
        """Another place, while the search keeps the keys."""
        places = self.query_one("#places", OptionList)
        if self._found:
            wanted = (places.highlighted or 0) + lines
            places.highlighted = min(max(0, wanted), len(self._found) - 1)

    def action_leave(self) -> None:
        """Fork nothing."""
        self.dismiss(None)

    @on(Input.Changed, "#fork-search")
    def _narrow(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        self._found = [
            i
            for i, point in enumerate(self._points)
            if all(word in _text(point).lower() for word in words)
        ]
        self._fill()

    def _fill(self) -> None:
        places = self.query_one("#places", OptionList)
        found = self._found
        at = found.index(self._proposed) if self._proposed in found else len(found) - 1
        start = max(0, min(at - _LISTED // 2, len(found) - _LISTED))
        self._found = found[start : start + _LISTED]
        places.set_options([Option(_line(self._points[i])) for i in self._found])
        if self._found:
            places.highlighted = at - start

    @on(Input.Submitted, "#fork-search")
    def _take_highlighted(self) -> None:
        highlighted = self.query_one("#places", OptionList).highlighted
        if highlighted is not None:
            self.dismiss(self._points[self._found[highlighted]])

    @on(OptionList.OptionSelected)
    def _take(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._points[self._found[event.option_index]])


def _text(point: ForkPoint) -> str:
    entry = point.entry
    assert entry is not None
    if entry.tool is not None:
        return f"{entry.tool.name} {compact(entry.tool.arguments)}"
    return entry.text


def _line(point: ForkPoint) -> Content:
    assert point.entry is not None
    kind = point.entry.kind
    sign = Content.styled(f"{SIGNS[kind]} ", "bold")
    return sign + Content.styled(one_line(_text(point), _WIDTH), "bold" if kind == "user" else "")
