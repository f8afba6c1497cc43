"""Kinds of entries differ by sign and are readable, on dark and on light."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.pilot import Pilot
from textual.widgets import Static

from messagedb_agent.tui.dialogs.approval import ApprovalDialog
from messagedb_agent.tui.entries import SIGNS
from messagedb_agent.tui.widgets.entry import EntryRow
from tests.tui.conftest import Desk, play, until
from tests.tui.test_snapshots import HISTORY, QUESTION


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light"])
def test_every_kind_of_entry_can_be_told_apart_and_read(desk: Desk, theme: str) -> None:
    app = desk.app(desk.write("0123456789", [*HISTORY, *QUESTION]))
    app.theme = theme

    async def story(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: isinstance(app.screen, ApprovalDialog))
        app.conversation.keep("half an answer")
        await app.chat.update({len(app.conversation.presenter.entries) - 1})
        await pilot.pause()
        signs = {row.entry.kind: row.query_one(".sign", Static) for row in app.chat.query(EntryRow)}
        assert {str(sign.render()) for sign in signs.values()} == set(SIGNS.values())
        for kind, sign in signs.items():
            _, _, background, colour = sign.colors
            assert contrast(background, background.blend(colour, colour.a)) > 3, kind

    play(app, story, size=(80, 60))


def contrast(one: Color, other: Color) -> float:
    """The ratio of luminances, as accessibility guidelines define it."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: Color) -> float:
    linear = [
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in colour.normalized
    ]
    return sum(
        weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
