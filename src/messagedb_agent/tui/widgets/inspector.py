"""The raw stream, position by position, however long it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widgets import Static

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import encode
from messagedb_agent.events.json_text import from_json
from messagedb_agent.tui.render import plain
from messagedb_agent.tui.text import one_line, pretty


class EventList(ScrollView, can_focus=True):
    """One line for each event; only the lines in view are ever made."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"events--cursor", "events--line", "events--shared"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "move(-10)", "Page up", show=False),
        Binding("pagedown", "move(10)", "Page down", show=False),
        Binding("home", "move(-1000000000)", "First", show=False),
        Binding("end", "move(1000000000)", "Last", show=False),
        Binding("f", "app.fork_here", "Fork here"),
        Binding("c", "app.context", "Context"),
    ]

    cursor: reactive[int] = reactive(0)

    class Moved(Message):
        """Another event is selected."""

        def __init__(self, record: RecordedEvent) -> None:
            super().__init__()
            self.record = record

    def __init__(self) -> None:
        super().__init__(id="events")
        self._records: Sequence[RecordedEvent] = ()

    def show(self, records: Sequence[RecordedEvent]) -> None:
        """Show these events; a cursor at the end stays there."""
        was_at_end = self.cursor >= self.virtual_size.height - 1
        self._records = records
        self.virtual_size = Size(0, len(records))
        if was_at_end or self.cursor >= len(records):
            self.cursor = max(0, len(records) - 1)
        self.refresh()

    def on_resize(self) -> None:
        """Keep the selected event in view; before this there was nothing to scroll."""
        self.call_after_refresh(self._into_view)

    @property
    def selected(self) -> RecordedEvent | None:
        """The event under the cursor."""
        return self._records[self.cursor] if self._records else None

    def is_shared(self, record: RecordedEvent) -> bool:
        """Whether an event is another thread's, from which this one was forked."""
        return record.stream_name != self._records[-1].stream_name

    def render_line(self, y: int) -> Strip:
        """The line of one event."""
        index = int(self.scroll_offset.y) + y
        width = self.size.width
        if index >= len(self._records):
            return Strip.blank(width, self.rich_style)
        record = self._records[index]
        name = "events--shared" if self.is_shared(record) else "events--line"
        name = "events--cursor" if index == self.cursor else name
        text = f"{record.position:>5} {record.time:%H:%M:%S} {one_line(record.type, 40)}"
        strip = Strip([Segment(text, self.get_component_rich_style(name))])
        return strip.adjust_cell_length(width, self.get_component_rich_style(name))

    def action_move(self, lines: int) -> None:
        """Select an event further up or down."""
        self.cursor = min(max(0, self.cursor + lines), max(0, len(self._records) - 1))

    def watch_cursor(self, cursor: int) -> None:
        """Show the selected event."""
        self.refresh()
        if cursor < len(self._records):
            self._into_view()
            self.post_message(self.Moved(self._records[cursor]))

    def _into_view(self) -> None:
        self.scroll_to_region(Region(0, self.cursor, 1, 1), animate=False)

    def on_click(self, event: events.Click) -> None:
        """Select what is clicked."""
        index = int(self.scroll_offset.y) + event.y
        if index < len(self._records):
            self.cursor = index


class Inspector(Vertical):
    """The list of events, and all that the selected one holds."""

    def __init__(self) -> None:
        super().__init__(id="inspector")
        self._shown: str | None = None

    def compose(self) -> ComposeResult:
        """The list above the event."""
        yield EventList()
        with VerticalScroll(id="event-scroll"):
            yield Static(id="event")

    def show(self, records: Sequence[RecordedEvent]) -> None:
        """Show the events of a thread."""
        listed = self.query_one(EventList)
        listed.show(records)
        if not records:
            self.query_one("#event", Static).update("")
        elif records[listed.cursor].id != self._shown:
            self._tell(records[listed.cursor])

    def on_event_list_moved(self, message: EventList.Moved) -> None:
        """Show the selected event."""
        self._tell(message.record)

    def _tell(self, record: RecordedEvent) -> None:
        self._shown = record.id
        metadata = from_json(record.metadata_text) if record.metadata_text else None
        origin = f" of {record.stream_name}" if self.query_one(EventList).is_shared(record) else ""
        parts = [
            f"{record.type} at {record.position}{origin}, {record.global_position} globally",
            f"id {record.id}",
            f"time {record.time.isoformat()}Z",
            f"data {pretty(from_json(encode(record.event).data))}",
            f"metadata {pretty(metadata)}",
        ]
        self.query_one("#event", Static).update(plain("\n".join(parts)))
