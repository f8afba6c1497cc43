"""One line of text, asked for."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static


class AskDialog(ModalScreen[str | None]):
    """Asks for a line; None when somebody leaves it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave it")]

    def __init__(self, question: str, value: str = "") -> None:
        super().__init__()
        self._question = question
        self._value = value

    def compose(self) -> ComposeResult:
        """The question and the line."""
        with Vertical(id="dialog"):
            yield Static(self._question, markup=False)
            yield Input(self._value, id="line")
            yield Static("[enter] take it  esc leave it", id="keys", markup=False)

    def on_mount(self) -> None:
        """Write at once."""
        self.query_one("#line").focus()

    def action_leave(self) -> None:
        """Leave it as it is."""
        self.dismiss(None)

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() or None)
