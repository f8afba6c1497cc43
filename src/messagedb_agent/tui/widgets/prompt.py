"""Where messages are written: several lines, a history, and paste."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from messagedb_agent.tui.text import visible

READY = "Message · Enter sends, Shift+Enter or ^j begins a new line"


_NEW_LINE = ("shift+enter", "alt+enter", "ctrl+j")


class Prompt(TextArea):
    """
    A text area in which Enter sends.

    Up on the first line and down on the last one go through what was said before; what was
    being written is kept at the end of that history.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "app.page(-1)", "Scroll the chat up", show=False),
        Binding("pagedown", "app.page(1)", "Scroll the chat down", show=False),
    ]

    class Sent(Message):
        """Somebody wants this text to be sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self) -> None:
        super().__init__(id="prompt", compact=True, placeholder=READY, highlight_cursor_line=False)
        self._history: list[str] = []
        self._place = 0
        self._draft = ""

    def remember(self, history: list[str]) -> None:
        """What was said before, oldest first."""
        self._history = history
        self._place = len(history)

    def set_text(self, text: str) -> None:
        """Put a text there, with the cursor behind it."""
        self.load_text(visible(text))
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        # Not bindings: those are looked up after the keys that follow have been typed, when a
        # slow line delivers several at once.
        if event.key == "enter" and self.text.strip():
            said = self.text
            self.set_text("")
            self.post_message(self.Sent(said))
        elif event.key in _NEW_LINE:
            self._put("\n")
        elif event.key != "enter":
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        # The base class handles the event too, unless told not to.
        event.prevent_default()
        event.stop()
        self._insert(event.text)

    def action_paste(self) -> None:
        """Paste what was copied on this screen."""
        self._insert(self.app.clipboard)

    def _insert(self, text: str) -> None:
        if not self.read_only:
            lines = text.replace("\r\n", "\n").replace("\r", "\n")
            self._put(visible(lines))

    def _put(self, text: str) -> None:
        done = self.replace(text, *self.selection, maintain_selection_offset=False)
        self.move_cursor(done.end_location)

    def action_cursor_up(self, select: bool = False) -> None:  # noqa: FBT001, FBT002 - as in TextArea
        """Up a line, or back in the history."""
        if select or self.cursor_location[0] > 0 or self._place == 0:
            super().action_cursor_up(select)
            return
        if self._place == len(self._history):
            self._draft = self.text
        self._recall(self._place - 1)

    def action_cursor_down(self, select: bool = False) -> None:  # noqa: FBT001, FBT002 - as in TextArea
        """Down a line, or forward in the history."""
        is_last = self.cursor_location[0] >= self.document.line_count - 1
        if select or not is_last or self._place >= len(self._history):
            super().action_cursor_down(select)
            return
        self._recall(self._place + 1)

    def _recall(self, place: int) -> None:
        self._place = place
        self.set_text(self._history[place] if place < len(self._history) else self._draft)
