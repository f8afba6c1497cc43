"""
The history of a thread: what its stream says, and what it shares with the thread it came from.

A fork begins with a reference to its origin, and a rewound thread leaves out what came after
the position it went back to. Whatever folds a thread folds its history.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from messagedb_agent.errors import ThreadNotFoundError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.system import ThreadForked, ThreadRewound
from messagedb_agent.projections.base import Projected
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.base import MAX_ANCESTORS, EventStore


def read_history(
    store: EventStore, stream_name: str, upto: int | None = None
) -> list[RecordedEvent]:
    """
    The events that count, in order: the origin's, as far as they are shared, then the own ones.

    Each keeps the stream name and position under which it is recorded. With `upto` the
    thread is seen as it was at that position. Raises `ThreadNotFoundError` when an origin is
    missing.
    """
    return _history(store, stream_name, upto, 0)


def advance_thread(
    store: EventStore,
    stream_name: str,
    projected: Projected[ThreadState],
    arrived: Sequence[RecordedEvent],
) -> Projected[ThreadState]:
    """The state after more events of a thread's own stream; reads again what a rewind needs."""
    if not any(isinstance(record.event, ThreadForked | ThreadRewound) for record in arrived):
        return projected.advance(arrived)
    history = read_history(store, stream_name, arrived[-1].position)
    state = THREAD_STATE.fold(record.event for record in history)
    return Projected(THREAD_STATE, state, arrived[-1].position)


def effective(own: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    """The events of one stream without those that a later rewind left behind. Pure."""
    kept: list[RecordedEvent] = []
    for record in own:
        if isinstance(record.event, ThreadRewound):
            target = record.event.to_position
            kept = [earlier for earlier in kept if earlier.position <= target]
        kept.append(record)
    return kept


def _history(
    store: EventStore, stream_name: str, upto: int | None, depth: int
) -> list[RecordedEvent]:
    own = _read(store, stream_name, upto)
    kept = effective(own)
    if not own or not isinstance(own[0].event, ThreadForked):
        return kept
    fork = own[0].event
    origin = fork.origin_stream_name
    if depth >= MAX_ANCESTORS:
        raise ThreadNotFoundError(f"{stream_name} has no beginning: its origins form a circle")
    shared = _history(store, origin, fork.origin_position, depth + 1)
    if not shared:
        raise ThreadNotFoundError(
            f"{origin}, from which {stream_name} was forked, is missing; `./cli import` of its "
            "export brings it back"
        )
    return [*shared, *kept]


def _read(store: EventStore, stream_name: str, upto: int | None) -> list[RecordedEvent]:
    if upto is None:
        return list(store.read(stream_name))
    records: list[RecordedEvent] = []
    for record in store.read(stream_name):
        if record.position > upto:
            break
        records.append(record)
    return records
