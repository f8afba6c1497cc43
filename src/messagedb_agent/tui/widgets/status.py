"""One line that says what goes on: activity, model, tokens, cost, step, connection."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from messagedb_agent.tui.activity import Activity, Condition
from messagedb_agent.tui.text import one_line

_SHORTEST_MODEL = 8
_SPINNER = "⠋⠙⠸⠴⠦⠇"
_STYLES: dict[Condition, str] = {
    "busy": "$text-accent",
    "elsewhere": "$text-accent",
    "waiting": "bold $text-warning",
    "halted": "bold $text-warning",
    "unfinished": "bold $text-warning",
    "ended": "bold",
}


class StatusLine(Static):
    """What goes on, in one line; it turns while something is being done."""

    def __init__(self) -> None:
        super().__init__("", id="status", markup=False)
        self._turn = 0
        self._shown: Content | None = None

    def show(
        self,
        activity: Activity,
        model: str,
        facts: Sequence[str],
        *,
        problem: str | None,
        running: int,
    ) -> None:
        """Show this; `running` counts the threads that this program drives."""
        self._turn += 1
        is_turning = activity.condition in ("busy", "elsewhere")
        sign = _SPINNER[self._turn % len(_SPINNER)] if is_turning else "·"
        line = Content.styled(f"{sign} {activity.words}", _STYLES.get(activity.condition, ""))
        others = running - (activity.condition == "busy")
        told = [*facts, *([f"{others} more running"] if others else [])]
        if problem is not None:
            away = f" │ store away: {one_line(problem, 200)}"
            line += Content.styled(away, "bold $text-error")
        else:
            told.append("store ok")
        rest = "".join(f" │ {fact}" for fact in told)
        if model:
            # All else is short; the name of a model gives way where the line is.
            room = self.content_size.width - line.cell_length - len(rest) - 3
            rest = f" │ {one_line(model, max(_SHORTEST_MODEL, room))}{rest}"
        line += Content.styled(rest, "dim")
        # Nothing is sent over the line when nothing has changed.
        if self._shown is None or not line.is_same(self._shown):
            self._shown = line
            self.update(line)
