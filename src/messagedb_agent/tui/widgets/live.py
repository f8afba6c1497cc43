"""The answer while it is generated."""

from __future__ import annotations

from collections.abc import Sequence

from textual.containers import Horizontal, Vertical
from textual.widgets import Markdown, Static
from textual.widgets.markdown import MarkdownStream

from messagedb_agent.llm.base import Delta
from messagedb_agent.tui.entries import SIGNS
from messagedb_agent.tui.render import plain
from messagedb_agent.tui.text import visible
from messagedb_agent.tui.widgets.entry import markdown

_THINKING_SHOWN = 400


class Live(Vertical):
    """Shows pieces as they come, and goes empty when the recorded answer takes its place."""

    def __init__(self) -> None:
        super().__init__(id="live")
        self._thought = ""
        self._said: list[str] = []
        self._stream: MarkdownStream | None = None

    @property
    def said(self) -> str:
        """The text of the answer so far."""
        return "".join(self._said)

    async def feed(self, pieces: Sequence[Delta]) -> None:
        """Show more of the answer."""
        thought = "".join(piece.text for piece in pieces if piece.kind == "thinking")
        text = "".join(piece.text for piece in pieces if piece.kind == "text")
        if thought:
            await self._think(thought)
        if text:
            self._said.append(text)
            if self._stream is None:
                widget = markdown()
                await self._mount_row("answer", widget)
                self._stream = Markdown.get_stream(widget)
            await self._stream.write(visible(text))

    async def _think(self, thought: str) -> None:
        self._thought = (self._thought + thought)[-_THINKING_SHOWN:]
        found = self.query("#thought").results(Static)
        widget = next(iter(found), None)
        if widget is None:
            widget = Static(id="thought")
            await self._mount_row("thinking", widget)
        widget.update(plain(self._thought, "italic dim"))

    async def _mount_row(self, kind: str, widget: Static | Markdown) -> None:
        sign = SIGNS["answer" if kind == "answer" else "thinking"]
        row = Horizontal(Static(sign, classes="sign"), widget, classes=f"entry {kind}")
        await self.mount(row)

    async def clear(self) -> None:
        """Go empty."""
        stream, self._stream, self._thought = self._stream, None, ""
        self._said = []
        if stream is not None:
            await stream.stop()
        await self.remove_children()
