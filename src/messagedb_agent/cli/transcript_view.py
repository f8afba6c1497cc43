"""A thread as people read it: who said what, what was done, how long that took."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from messagedb_agent.cli.markdown import rendered
from messagedb_agent.cli.terminal import has_colour, paint, visible
from messagedb_agent.cli.text import one_line, shorten
from messagedb_agent.engine.costs import add_call, cost_in_words, no_usage
from messagedb_agent.events import agent, system, tool, user
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.codec import EventRow
from messagedb_agent.projections.transcript import Voice, entry, happened_at
from messagedb_agent.projections.turn import total_tokens

FOLD_LINES = 12
FOLD_COLUMNS = 1000
LONGEST_CALL = 300

_PLUMBING = (
    system.SessionStarted,
    agent.AgentConfigured,
    agent.LLMCallRequested,
    agent.LLMCallStarted,
    tool.ToolExecutionStarted,
    user.SessionTerminationRequested,
    user.DisplayPreferenceUpdated,
)

STYLES: dict[Voice, tuple[str, ...]] = {
    "user": ("bold", "green"),
    "assistant": ("bold", "blue"),
    "tool_call": ("cyan",),
    "tool_result": ("cyan",),
    "approval": ("yellow",),
    "error": ("red",),
    "system": ("dim",),
}
_SIGNS: dict[Voice, str] = {
    "tool_call": "→",
    "tool_result": "←",
    "approval": "?",
    "error": "!",
    "system": "·",
}


def blocks(records: Sequence[RecordedEvent], *, full: bool) -> Iterator[str]:
    """The parts of a transcript in order, each to be printed with a newline after it."""
    own = records[-1].stream_name if records else ""
    claimed: RecordedEvent | None = None
    for record in records:
        event = record.event
        if isinstance(event, agent.LLMCallRequested | agent.LLMCallStarted):
            claimed = record
        if isinstance(event, _PLUMBING):
            continue
        if isinstance(event, user.UserMessageAdded):
            yield f"\n{_head('you', record, own, ())}\n{visible(entry(event).text)}"
        elif isinstance(event, agent.LLMResponseReceived):
            yield _answer(record, event, own, claimed)
            claimed = None
        else:
            yield _step(record, own, full=full)


def title_of(records: Iterable[RecordedEvent]) -> str:
    """What somebody called the thread, or else the beginning of its first message."""
    title = first = ""
    for record in records:
        if isinstance(record.event, user.ThreadRenamed):
            title = record.event.title
        elif isinstance(record.event, user.UserMessageAdded):
            first = first or record.event.message
    return shorten(one_line((title or first)[:500]), 60)


def place(record: RecordedEvent | EventRow, own: str) -> str:
    """The position of an event, and of which thread, if not the `own` stream's."""
    if record.stream_name == own:
        return f"[{record.position}]"
    origin = visible(record.stream_name.partition("-")[2])[:8]
    return f"[{origin} {record.position}]"


def _when(record: RecordedEvent) -> datetime:
    return happened_at(record.time, record.metadata_text)


def _head(who: str, record: RecordedEvent, own: str, facts: Iterable[str]) -> str:
    style: Voice = "user" if who == "you" else "assistant"
    sign = "▸" if who == "you" else "●"
    told = [place(record, own), f"{_when(record):%H:%M:%S}", *facts]
    return f"{paint(f'{sign} {who}', *STYLES[style])} {paint(' · '.join(told), 'dim')}"


def _answer(
    record: RecordedEvent,
    event: agent.LLMResponseReceived,
    own: str,
    claimed: RecordedEvent | None,
) -> str:
    facts = [visible(event.model_name)] if event.model_name else []
    if event.latency_ms:
        facts.append(duration(event.latency_ms))
    elif claimed is not None:
        facts.append(duration((_when(record) - _when(claimed)).total_seconds() * 1000))
    if tokens := total_tokens(event.token_usage):
        facts.append(f"{tokens:,} tokens")
    usage = no_usage()
    add_call(usage, event.model_name, event.token_usage, record.time.date())
    # What stand-ins cost, and what nobody knows, is not worth a word with each answer.
    if usage["cost_usd"]:
        facts.append(cost_in_words(usage["cost_usd"]))
    lines = [f"\n{_head('assistant', record, own, facts)}"]
    # The calls are told by the steps that run them, or by the questions whether they may.
    if text := entry(_without_calls(event)).text.strip():
        lines.append(rendered(text) if has_colour(sys.stdout) else visible(text))
    if event.tool_calls:
        names = ", ".join(visible(call.name) for call in event.tool_calls)
        lines.append(paint(f"asks for {names}", "dim"))
    return "\n".join(lines)


def _without_calls(event: agent.LLMResponseReceived) -> Event:
    if not event.tool_calls:
        return event
    return agent.LLMResponseReceived(
        response_text=event.response_text or " ", stop_reason=event.stop_reason
    )


def _step(record: RecordedEvent, own: str, *, full: bool) -> str:
    told = entry(_untimed(record.event))
    text = visible(told.text)
    facts = [place(record, own)]
    match record.event:
        case tool.ToolExecutionCompleted(execution_time_ms=took) if took:
            facts.append(duration(took))
        case tool.ToolExecutionRequested() | tool.ToolApprovalRequested() if not full:
            text = shorten(text, LONGEST_CALL)
    lines = (text if full else folded(text)).split("\n")
    match record.event:
        case tool.ToolExecutionCompleted(stored=stored) if stored and not full:
            lines.append("… this is its beginning (--full)")
    first, *rest = lines
    where = paint(" · ".join(facts), "dim")
    head = f"{paint(f'{_SIGNS[told.voice]} {first}', *STYLES[told.voice])} {where}"
    return "\n".join([head, *(f"  {line}".rstrip() for line in rest)])


def _untimed(event: Event) -> Event:
    if isinstance(event, tool.ToolExecutionCompleted):
        return msgspec.structs.replace(event, execution_time_ms=0)
    return event


def folded(text: str) -> str:
    """The beginning of a long text, and what is left out of it."""
    lines = [_cut(line) for line in text.split("\n")]
    if len(lines) <= FOLD_LINES + 1:
        return "\n".join(lines)
    hidden = len(lines) - FOLD_LINES
    return "\n".join([*lines[:FOLD_LINES], f"… {hidden:,} more lines (--full)"])


def _cut(line: str) -> str:
    if len(line) <= FOLD_COLUMNS:
        return line
    return f"{line[:FOLD_COLUMNS]}… {len(line) - FOLD_COLUMNS:,} more characters (--full)"


def duration(milliseconds: Any) -> str:
    """A duration, as exact as one cares to know it."""
    if milliseconds < 1000:
        return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds // 60_000:.0f} min {milliseconds % 60_000 / 1000:.0f} s"
