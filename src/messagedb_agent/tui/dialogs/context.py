"""What the model saw, over the whole screen."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from messagedb_agent.engine.review import Review
from messagedb_agent.tui.context import context_entries
from messagedb_agent.tui.text import one_line
from messagedb_agent.tui.widgets.chat import Chat

_KEYS = "[^o] unfold  [home] beginning  esc back"


class ContextScreen(ModalScreen[None]):
    """Shows the request of one model call, message by message."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,c", "leave", "Back"),
        Binding("ctrl+o", "fold", "Unfold"),
    ]

    def __init__(self, found: Review) -> None:
        super().__init__()
        self._found = found

    def compose(self) -> ComposeResult:
        """The call, its request, and the keys."""
        found = self._found
        yield Static(
            f"what {one_line(found.request.model_name, 40)} saw at position {found.position}: "
            f"{len(found.request.messages)} messages, {found.verdict}",
            id="found",
            markup=False,
        )
        yield Chat()
        yield Static(_KEYS, id="keys", markup=False)

    async def on_mount(self) -> None:
        """Show the end, which is what the model answered."""
        chat = self.query_one(Chat)
        await chat.show(context_entries(self._found))
        chat.focus()

    def action_leave(self) -> None:
        """Back to the thread."""
        self.dismiss(None)

    async def action_fold(self) -> None:
        """Open all tool calls, or close them."""
        await self.query_one(Chat).fold_all()
