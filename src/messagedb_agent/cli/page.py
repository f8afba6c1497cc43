"""A thread as a page of its own, for a browser or a Markdown viewer."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from typing import Literal

from messagedb_agent.cli.terminal import visible
from messagedb_agent.events import agent, tool, user
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.projections.transcript import Voice, entry, happened_at

_HIDDEN = (agent.LLMCallRequested, agent.LLMCallStarted, tool.ToolExecutionStarted)
_NAMES: dict[Voice, str] = {
    "user": "User",
    "assistant": "Assistant",
    "tool_call": "Tool call",
    "tool_result": "Tool result",
    "approval": "Approval",
    "error": "Error",
    "system": "Note",
}
# No script and nothing from elsewhere: whatever the content says, the page loads only itself.
_HEAD = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }}
body {{ font: 16px/1.5 system-ui, sans-serif; }}
section {{ border-left: .25rem solid #8888; padding: .1rem 1rem; margin: 1rem 0; }}
h2 {{ font-size: .85rem; margin: .3rem 0; opacity: .75; font-weight: 600; }}
pre {{ white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; font: inherit; }}
.tool_call pre, .tool_result pre, .system pre {{ font: .85rem/1.4 ui-monospace, monospace; }}
.user {{ border-color: #2a9d4a; }} .assistant {{ border-color: #2a6fdb; }}
.tool_call, .tool_result {{ border-color: #1aa3a3; }}
.approval {{ border-color: #c99700; }} .error {{ border-color: #d33; }}
</style>
</head>
<body>
"""
_OPENING = re.compile(r"(`{3,})[^`]*$|(~{3,})")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")
_ACTIVE = re.compile(r"[<&]|!(?=\[)|\](?=[(:\[])|`{3,}|~{3,}")


def page(records: Sequence[RecordedEvent], form: Literal["html", "md"]) -> str:
    """The whole page; nothing in the thread can become markup of it."""
    return "".join(_html(records) if form == "html" else _markdown(records))


def _parts(records: Sequence[RecordedEvent]) -> Iterator[tuple[Voice, str, str]]:
    for record in records:
        if not isinstance(record.event, _HIDDEN):
            told = entry(record.event)
            when = happened_at(record.time, record.metadata_text)
            head = f"{_NAMES[told.voice]} · {when:%Y-%m-%d %H:%M:%S} · {record.position}"
            yield told.voice, head, visible(told.text)


def _title(records: Sequence[RecordedEvent]) -> str:
    title = f"Thread {records[-1].stream_name.partition('-')[2]}"
    for record in records:
        if isinstance(record.event, user.ThreadRenamed):
            title = record.event.title
    return visible(" ".join(title.split()))


def _html(records: Sequence[RecordedEvent]) -> Iterator[str]:
    title = html.escape(_title(records))
    yield _HEAD.format(title=title)
    yield f"<h1>{title}</h1>\n"
    for voice, head, text in _parts(records):
        yield f'<section class="{voice}">\n<h2>{head}</h2>\n<pre>{html.escape(text)}</pre>\n'
        yield "</section>\n"
    yield "</body>\n</html>\n"


def _markdown(records: Sequence[RecordedEvent]) -> Iterator[str]:
    yield f"# {_escaped(_title(records))}\n"
    for voice, head, text in _parts(records):
        prose = voice in ("user", "assistant")
        yield f"\n## {head}\n\n{_prose(text) if prose else _fenced(text)}\n"


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _prose(text: str) -> str:
    """
    Markdown that somebody wrote, as such, but without HTML, links and images.

    Code stays code where its fence begins a line: that begins a block for every viewer. The
    fence is then one of ours, which nothing inside can close, and there are no others.
    """
    lines: list[str] = []
    code: list[str] | None = None
    closing = ""
    for line in text.split("\n"):
        if code is None:
            opened = _OPENING.match(line)
            if opened:
                code, closing = [], opened[1] or opened[2]
            else:
                lines.append(_demoted(_escaped(line)))
        elif (found := _CLOSING.match(line)) and found[1].startswith(closing):
            lines.append(_fenced("\n".join(code)))
            code = None
        else:
            code.append(line)
    if code is not None:
        lines.append(_fenced("\n".join(code)))
    return "\n".join(lines)


def _escaped(line: str) -> str:
    # Entities: a backslash would itself be escaped by one that stands before it.
    return _ACTIVE.sub(lambda found: "".join(f"&#{ord(each)};" for each in found[0]), line)


def _demoted(line: str) -> str:
    """A heading of the text, below those of the page."""
    return f"##{line}" if re.match(r"#{1,4}\s", line) else line
