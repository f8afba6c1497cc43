"""Entries as styled text. Nothing that came from a stream is read as markup."""

from __future__ import annotations

from markdown_it import MarkdownIt
from textual.content import Content

from messagedb_agent.tui.entries import Entry, ToolStatus, ToolView
from messagedb_agent.tui.text import clipped, compact, duration, one_line, pretty, visible

_TITLE_WIDTH = 160

# Readable on dark and on light, and no other kind's colour.
_TOOL_STYLE = "bold #17877f"

_RESULT_STYLES: dict[ToolStatus, str] = {
    "done": "$text-success",
    "failed": "$text-error",
    "rejected": "$text-error",
    "waiting": "$text-warning",
}


def plain(text: str, style: str = "") -> Content:
    """A text as it is, but for what can not be seen."""
    shown = visible(clipped(text))
    return Content.styled(shown, style) if style else Content(shown)


def with_note(entry: Entry) -> Content:
    """The text of an entry, and what is said about it."""
    note = plain(f"\n[{entry.note}]", "dim") if entry.note else Content("")
    return plain(entry.text) + note


def markdown_parser() -> MarkdownIt:
    """Markdown as models write it; HTML is shown as the text it is."""
    return MarkdownIt("gfm-like", {"html": False})


def markdown_source(text: str) -> str:
    """A text for the Markdown parser."""
    return visible(clipped(text))


def headline(entry: Entry, *, is_open: bool) -> Content:
    """What an entry that folds shows when it is folded."""
    mark = Content.styled("▾ " if is_open else "▸ ", "dim")
    if entry.tool is None:
        first = one_line(entry.text, _TITLE_WIDTH)
        return mark + Content.styled(first if not is_open else "thinking", "italic dim")
    return mark + _call_line(entry.tool, with_arguments=not is_open) + _result_line(entry.tool)


def _call_line(view: ToolView, *, with_arguments: bool) -> Content:
    line = Content.styled(one_line(view.name, 60), _TOOL_STYLE)
    if with_arguments and view.arguments:
        arguments = one_line(compact(view.arguments), _TITLE_WIDTH)
        line += Content(" ") + Content.styled(arguments, "dim")
    if view.attempt > 1:
        line += Content.styled(f" (attempt {view.attempt})", "dim")
    return line


def _result_line(view: ToolView) -> Content:
    style = _RESULT_STYLES.get(view.status, "dim")
    match view.status:
        case "done":
            mark = "← "
        case "failed":
            mark = "← ! "
        case "rejected":
            mark = "← rejected: "
        case "waiting":
            return Content("\n  ") + Content.styled("? waits for approval", style)
        case "running":
            told = f": {one_line(view.progress, _TITLE_WIDTH)}" if view.progress else ""
            return Content("\n  ") + Content.styled(f"… running{told}", style)
        case _:
            return Content("")
    # In front of the result: what does not fit on the line is cut.
    took = f"{duration(view.duration_ms)} · " if view.duration_ms is not None else ""
    result = Content.styled(one_line(compact(view.result), _TITLE_WIDTH), style)
    return Content("\n  ") + Content.styled(mark, style) + Content.styled(took, "dim") + result


def details(entry: Entry) -> Content:
    """What an entry that folds shows below its headline when it is open."""
    if entry.tool is None:
        return plain(entry.text, "italic dim")
    view = entry.tool
    parts = [Content.styled("→ arguments\n", "bold"), plain(pretty(view.arguments))]
    if view.status in ("done", "failed", "rejected"):
        style = _RESULT_STYLES[view.status]
        parts += [Content.styled("\n← result\n", f"bold {style}"), plain(pretty(view.result))]
    return Content("").join(parts)
