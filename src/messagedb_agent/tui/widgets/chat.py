"""The chat: a window of widgets that moves over any number of entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.containers import VerticalScroll

from messagedb_agent.llm.base import Delta
from messagedb_agent.tui.entries import Entry
from messagedb_agent.tui.widgets.entry import EntryRow
from messagedb_agent.tui.widgets.live import Live

FIRST_ROWS = 15
MORE_ROWS = 12
MOST_ROWS = 60


class Chat(VerticalScroll):
    """
    Shows the end of a list of entries, and the rest as somebody scrolls there.

    Only a window of at most `MOST_ROWS` entries has widgets. The window moves when an end of
    it comes into view; what is on the screen stays where it is.
    """

    def __init__(self) -> None:
        super().__init__(id="chat")
        self._entries: Sequence[Entry] = ()
        self._rows: list[EntryRow] = []
        self._first = 0
        self._known = 0
        self._live = Live()
        self._is_open = False
        self._is_moving = False

    async def on_mount(self) -> None:
        """Stay at the end while things are added."""
        await self.mount(self._live)
        self.anchor()

    @property
    def row_count(self) -> int:
        """How many entries have widgets."""
        return len(self._rows)

    @property
    def _end(self) -> int:
        return self._first + len(self._rows)

    async def show(self, entries: Sequence[Entry]) -> None:
        """Show another list of entries, from its end."""
        self._entries, self._known = entries, len(entries)
        await self._jump(max(0, len(entries) - FIRST_ROWS))
        self.anchor()

    async def _jump(self, first: int) -> None:
        """Move the window to where it begins with this entry."""
        with self.app.batch_update():
            await self.query_children(EntryRow).remove()
            self._rows, self._first = [], first
            await self._add_below(min(len(self._entries), first + FIRST_ROWS))
        self.call_after_refresh(self._fill)

    async def _fill(self) -> None:
        """Mount more where the first rows do not fill the view."""
        if self._first > 0 and self.max_scroll_y == 0 and not self._is_moving:
            self._is_moving = True
            await self._move_up()
            self.call_after_refresh(self._fill)

    async def to_end(self) -> None:
        """Go to the end, and stay there."""
        if self._end < len(self._entries):
            await self._jump(max(0, len(self._entries) - FIRST_ROWS))
        self.anchor()

    async def to_start(self) -> None:
        """Go to the first entry."""
        if self._first > 0:
            self.anchor(anchor=False)
            await self._jump(0)
        self.scroll_home(animate=False)

    def action_scroll_home(self) -> None:
        """The first entry, not only the first that has a widget."""
        self.call_next(self.to_start)

    def action_scroll_end(self) -> None:
        """The last entry, likewise."""
        self.call_next(self.to_end)

    async def update(self, changed: Iterable[int]) -> None:
        """Entries of the list changed or were added at its end."""
        follows, self._known = self._end == self._known, len(self._entries)
        for index in sorted(changed):
            if self._first <= index < self._end:
                await self._rows[index - self._first].show(self._entries[index])
        if follows:
            await self._catch_up()

    async def _catch_up(self) -> None:
        """Mount what was added at the end, unless somebody reads far above it."""
        is_reading = not self.is_anchored or self._anchor_released
        if len(self._entries) - self._end > MOST_ROWS and not is_reading:
            await self.show(self._entries)
        elif not is_reading:
            await self._add_below(len(self._entries))
            await self._drop_above()
        elif len(self._rows) < MOST_ROWS:
            await self._add_below(min(len(self._entries), self._first + MOST_ROWS))

    async def feed(self, pieces: Sequence[Delta]) -> None:
        """Show more of the answer that is being generated."""
        await self._live.feed(pieces)

    @property
    def streamed(self) -> str:
        """The text of that answer so far."""
        return self._live.said

    async def end_live(self) -> None:
        """The answer is complete, or there will be none."""
        await self._live.clear()

    async def fold_all(self) -> None:
        """Open all that folds, or close it."""
        self._is_open = not self._is_open
        for row in self._rows:
            await row.fold(is_open=self._is_open)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Move the window when its end comes into view."""
        super().watch_scroll_y(old_value, new_value)
        if self._is_moving or not self._rows:
            return
        if new_value < old_value and new_value <= self._margin and self._first > 0:
            self._is_moving = True
            self.call_next(self._move_up)
        elif new_value > old_value and new_value >= self.max_scroll_y - self._margin:
            if self._end < len(self._entries):
                self._is_moving = True
                self.call_next(self._move_down)
            elif not self.is_anchored and new_value >= self.max_scroll_y:
                self.anchor()

    @property
    def _margin(self) -> int:
        """How near an end of the window may come before it moves."""
        return self.size.height // 2

    async def _move_up(self) -> None:
        held, offset = self._rows[0], self._offset_of(self._rows[0])
        start = max(0, self._first - MORE_ROWS)
        rows = [self._row(entry) for entry in self._entries[start : self._first]]
        with self.app.batch_update():
            await self.mount_all(rows, before=0)
            self._rows, self._first = [*rows, *self._rows], start
            surplus, self._rows = self._rows[MOST_ROWS:], self._rows[:MOST_ROWS]
            await self._remove(surplus)
        if self._end < len(self._entries):
            # The end of the window is not the end of the thread, so nothing to stay at.
            self.anchor(anchor=False)
        self.call_after_refresh(self._hold, held, offset)

    async def _move_down(self) -> None:
        held, offset = self._rows[-1], self._offset_of(self._rows[-1])
        with self.app.batch_update():
            await self._add_below(min(len(self._entries), self._end + MORE_ROWS))
            await self._drop_above()
        self.call_after_refresh(self._hold, held, offset)

    async def _add_below(self, end: int) -> None:
        rows = [self._row(entry) for entry in self._entries[self._end : end]]
        if rows:
            await self.mount_all(rows, before=self._live)
            self._rows += rows

    async def _drop_above(self) -> None:
        surplus = len(self._rows) - MOST_ROWS
        if surplus > 0:
            dropped, self._rows = self._rows[:surplus], self._rows[surplus:]
            self._first += surplus
            await self._remove(dropped)

    async def _remove(self, rows: Sequence[EntryRow]) -> None:
        for row in rows:
            await row.remove()

    def _row(self, entry: Entry) -> EntryRow:
        return EntryRow(entry, is_open=self._is_open)

    def _offset_of(self, row: EntryRow) -> float:
        """How far below the upper edge of the view a row begins."""
        return row.virtual_region.y - self.scroll_y

    def _hold(self, row: EntryRow, offset: float) -> None:
        """Put a row back to where it was on the screen."""
        self.scroll_to(y=row.virtual_region.y - offset, animate=False, immediate=True)
        self._is_moving = False
