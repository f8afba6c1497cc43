"""The chat: a window of widgets that moves over any number of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from textual.containers import VerticalScroll

from messagedb_agent.llm.base import Delta
from messagedb_agent.tui.entries import Entry
from messagedb_agent.tui.widgets.entry import EntryRow
from messagedb_agent.tui.widgets.live import Live

# Few at once: each row costs milliseconds, and nobody should feel the window move.
FIRST_ROWS = 8
MORE_ROWS = 4
FEWEST_ROWS = 30


class Chat(VerticalScroll):
    """
    Shows the end of a list of entries, and the rest as somebody scrolls there.

    Only a window of at most `most_rows` entries has widgets. The window moves when an end of
    it comes near the view; what is on the screen stays where it is. It moves on this widget's
    behalf and changes on the app's, so `_rows` is always what it is to be once all is mounted.
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
    def most_rows(self) -> int:
        """How many may have: enough for the view and what is near it, if each has one line."""
        return max(FEWEST_ROWS, 2 * self.size.height + MORE_ROWS)

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

    @property
    def _is_reading(self) -> bool:
        """Whether somebody looks at something else than the end."""
        return not self.is_anchored or self._anchor_released

    async def _catch_up(self) -> None:
        """Mount what was added at the end, unless somebody reads far above it."""
        if len(self._entries) - self._end > self.most_rows and not self._is_reading:
            await self.show(self._entries)
        elif not self._is_reading:
            await self._add_below(len(self._entries))
            await self._drop_above()
        elif len(self._rows) < self.most_rows:
            await self._add_below(min(len(self._entries), self._first + self.most_rows))

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
        """Move the window when its end comes near the view."""
        super().watch_scroll_y(old_value, new_value)
        if self._is_moving or not self._rows:
            return
        if new_value < old_value:
            self._go_on_up()
        elif new_value > old_value and not self._go_on_down():
            is_at_end = self._end == len(self._entries) and new_value >= self.max_scroll_y
            if is_at_end and not self.is_anchored:
                self.anchor()

    def _go_on_up(self) -> bool:
        self._is_moving = self._first > 0 and self.scroll_y <= self._margin
        if self._is_moving:
            self.call_next(self._move_up)
        return self._is_moving

    def _go_on_down(self) -> bool:
        is_near = self.scroll_y >= self.max_scroll_y - self._margin
        self._is_moving = self._end < len(self._entries) and is_near
        if self._is_moving:
            self.call_next(self._move_down)
        return self._is_moving

    @property
    def _margin(self) -> int:
        """How near an end of the window may come before it moves."""
        return self.size.height // 2

    async def _move_up(self) -> None:
        held, offset = self._rows[0], self._offset_of(self._rows[0])
        start = max(0, self._first - MORE_ROWS)
        rows = [self._row(entry) for entry in self._entries[start : self._first]]
        with self.app.batch_update():
            self._rows, self._first = [*rows, *self._rows], start
            await self.mount_all(rows, before=0)
            surplus, self._rows = self._rows[self.most_rows :], self._rows[: self.most_rows]
            await self._remove(surplus)
        if self._end < len(self._entries):
            # The end of the window is not the end of the thread, so nothing to stay at.
            self.anchor(anchor=False)
        self.call_after_refresh(self._hold, held, offset, self._go_on_up)

    async def _move_down(self) -> None:
        held, offset = self._rows[-1], self._offset_of(self._rows[-1])
        with self.app.batch_update():
            await self._add_below(min(len(self._entries), self._end + MORE_ROWS))
            await self._drop_above()
        self.call_after_refresh(self._hold, held, offset, self._go_on_down)

    async def _add_below(self, end: int) -> None:
        rows = [self._row(entry) for entry in self._entries[self._end : end]]
        if rows:
            self._rows += rows
            await self.mount_all(rows, before=self._live)

    async def _drop_above(self) -> None:
        surplus = len(self._rows) - self.most_rows
        if surplus > 0:
            dropped, self._rows = self._rows[:surplus], self._rows[surplus:]
            self._first += surplus
            await self._remove(dropped)

    async def _remove(self, rows: Sequence[EntryRow]) -> None:
        await self.remove_children(rows)

    def _row(self, entry: Entry) -> EntryRow:
        return EntryRow(entry, is_open=self._is_open)

    def _offset_of(self, row: EntryRow) -> float:
        """How far below the upper edge of the view a row begins."""
        return row.virtual_region.y - self.scroll_y

    def _hold(self, row: EntryRow, offset: float, go_on: Callable[[], bool]) -> None:
        """Put a row back to where it was on the screen, and go on if that was not enough."""
        if self._is_reading:
            self.scroll_to(y=row.virtual_region.y - offset, animate=False, immediate=True)
        go_on()
