"""What the run before this one did, told in its place if it died."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.observability.identity import run_span_id_of, written_within
from messagedb_agent.observability.spans import INTERRUPTED, Scope, Span, run_span
from messagedb_agent.observability.step_spans import step_span
from messagedb_agent.observability.turns import EndedStep, steps_of


def recovered_spans(before: Sequence[RecordedEvent], scope: Scope) -> list[Span]:
    """
    All spans of the last run in these events of a turn, if it left claims behind.

    A run that stops in good order leaves none, and has told its spans itself. Of one that
    died nobody knows which spans got away, so all are told, under the ids they had.
    `scope` is the run that takes over.
    """
    authors = [(record, written_within(record)) for record in before]
    last = next((author for _, author in reversed(authors) if author), None)
    theirs = [record for record, author in authors if author and author == last]
    own = {record.id for record in theirs}
    ended, still_open = steps_of(before)
    left = [EndedStep(claim, None) for claim in still_open if claim.id in own]
    if last is None or not left:
        return []
    root = run_span_id_of(scope.began.id)
    parent = None if last.span_id == root else root
    died = msgspec.structs.replace(scope, run=last, parent_id=parent, run_id=None)
    done = [step_span(step, died, recovered=True) for step in ended if step.claim.id in own]
    # When it died is not known, only when it was last known to live.
    cut = [step_span(step, died, ended=theirs[-1].time, recovered=True) for step in left]
    return [*done, *cut, run_span(theirs, died, INTERRUPTED, recovered=True)]
