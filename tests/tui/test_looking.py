"""How these tests look at a screen: without changing it."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Label

from tests.tui.conftest import text_of

LOOKS = 200
"""More than a dialog takes steps of the event loop until it is drawn."""


class Below(App[None]):
    """A text that a dialog is drawn over."""

    CSS: ClassVar[str] = "ModalScreen { align: center bottom; }"

    def compose(self) -> ComposeResult:
        yield Label("what is below")


class Dialog(ModalScreen[None]):
    """Covers one line."""

    def compose(self) -> ComposeResult:
        yield Label("a question")


def test_to_look_before_a_dialog_is_drawn_leaves_what_is_below_it() -> None:
    async def look() -> str:
        app = Below()
        async with app.run_test(size=(40, 6)) as pilot:
            app.push_screen(Dialog())
            for _ in range(LOOKS):
                text_of(app)
                await asyncio.sleep(0)
            await pilot.pause()
            return text_of(app)

    assert "what is below" in asyncio.run(look())
