"""
Trace and span ids that follow from event ids.

Whichever process looks at a stream finds the same ids, so a turn that was paused, killed or
carried on elsewhere is still one trace. They are hashes and not the ids themselves, because
samplers take the last bytes of a trace id for random numbers, and those of a UUID are not.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

import msgspec

from messagedb_agent.events.base import RecordedEvent

TRACEPARENT = "traceparent"
_FORM = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")


class SpanRef(NamedTuple):
    """Which span, as W3C Trace Context writes it."""

    trace_id: int
    span_id: int
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{int(self.sampled):02x}"


def trace_id_of(event_id: str) -> int:
    """The trace of the turn that this event began."""
    return _number("trace", event_id, 16)


def run_span_id_of(event_id: str) -> int:
    """The span of the run whose first event this is."""
    return _number("run", event_id, 8)


def step_span_id_of(event_id: str) -> int:
    """The span of the step that this event claimed."""
    return _number("step", event_id, 8)


def written_within(record: RecordedEvent) -> SpanRef | None:
    """The span of the run that wrote an event, if it was traced."""
    text = record.metadata_text
    if text is None or TRACEPARENT not in text:
        return None
    try:
        value = _metadata(text).traceparent
    except (msgspec.MsgspecError, ValueError):
        return None
    return parse(value)


def parse(traceparent: str | None) -> SpanRef | None:
    """The span that a `traceparent` names; None when it is no such thing."""
    found = _FORM.fullmatch(traceparent or "")
    if found is None:
        return None
    return SpanRef(int(found[1], 16), int(found[2], 16), bool(int(found[3], 16) & 1))


class _Metadata(msgspec.Struct):
    traceparent: str | None = None


_metadata = msgspec.json.Decoder(_Metadata).decode


def _number(purpose: str, event_id: str, size: int) -> int:
    digest = sha256(f"messagedb-agent {purpose} {event_id}".encode()).digest()
    # All zeros mean "no span" in the formats that carry ids.
    return int.from_bytes(digest[:size], "big") or 1
