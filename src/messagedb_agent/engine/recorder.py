"""Writes what a run decides and does, and folds what it wrote and what others did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import psycopg

from messagedb_agent.engine.fencing import CLAIMS, Stands, claims_of
from messagedb_agent.engine.foothold import Foothold, claim_lost, new_metadata
from messagedb_agent.engine.history import advance_thread
from messagedb_agent.engine.model_memory import ModelMemory
from messagedb_agent.engine.remembered import Remembered, memory_of
from messagedb_agent.errors import OptimisticConcurrencyError
from messagedb_agent.events.base import Event, RecordedEvent
from messagedb_agent.events.codec import prepare
from messagedb_agent.projections.base import Projected
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.base import (
    DEFAULT_BATCH_SIZE,
    FIRST_BATCH_SIZE,
    EventStore,
    NewEvent,
)
from messagedb_agent.store.snapshots import load_snapshot, save_snapshot

Observer = Callable[[RecordedEvent], None]
"""
Sees each event that is read or recorded once, in order; changes nothing.

Of a long thread's past that is what came after its snapshot.
"""

SNAPSHOT_AFTER = 1000
"""The number of events that is worth a snapshot: reading fewer takes some milliseconds."""

Annotate = Callable[[Sequence[tuple[str, Event]]], Mapping[str, Any]]
"""Metadata to add to events that are about to be written together, given with their ids."""


def no_annotations(_new: Sequence[tuple[str, Event]]) -> Mapping[str, Any]:
    """The `Annotate` of those who have nothing to add."""
    return {}


class Recorder:
    """
    The engine's hand on one stream.

    Facts (outcomes, messages) and intentions (claims, and what was decided from the state)
    collect in a buffer and are committed together, so that a step costs one commit. The
    state is always the one after the buffer. When the stream has moved on meanwhile, facts
    are still recorded if their fence stands; intentions are dropped, for whoever decided
    them has to decide again.
    """

    def __init__(
        self,
        store: EventStore,
        stream_name: str,
        observers: Sequence[Observer] = (),
        annotate: Annotate = no_annotations,
    ) -> None:
        self.stream_name = stream_name
        self._store = store
        self._observers = observers
        self._annotate = annotate
        self._committed: Projected[ThreadState] = THREAD_STATE.at_start()
        self._facts: list[NewEvent] = []
        self._intentions: list[NewEvent] = []
        self._fences: list[Stands] = []
        self._kept = -1
        self._last_id = ""
        self.memory = ModelMemory()
        self._annotations: Mapping[str, Any] = {}
        self.state = self._committed.state

    @property
    def version(self) -> int:
        """The position of the last event known to be in the stream."""
        return self._committed.version

    @property
    def position(self) -> int:
        """The position that the last event will have once the buffer is committed."""
        return self._committed.version + len(self._facts) + len(self._intentions)

    def open(self) -> None:
        """Read the stream: what this process does not know yet, or is not in its snapshot."""
        # Those who watch see the past as well.
        if not self._observers and self._open_again():
            return
        stream = self._store.read(self.stream_name)
        first = tuple(islice(stream, FIRST_BATCH_SIZE))
        if len(first) < FIRST_BATCH_SIZE:
            self._advance(first)
            return
        snapshot = load_snapshot(self._store, self.stream_name, THREAD_STATE)
        if snapshot is None:
            self._advance(first)
            self._take(stream)
        else:
            self._committed, self._kept = snapshot, snapshot.version
            self.state = snapshot.state
            self.catch_up()

    def _open_again(self) -> bool:
        known = memory_of(self._store).take(self.stream_name)
        if known is None:
            return False
        arrived = self._store.read(self.stream_name, position=known.projected.version)
        last = next(arrived, None)
        if last is None or last.id != known.event_id:
            return False
        self._committed, self._last_id, self._kept, self.memory = known
        self.state = self._committed.state
        self._take(arrived)
        return True

    def close(self) -> None:
        """Let go of the thread; this process remembers it."""
        if self._last_id:
            known = Remembered(self._committed, self._last_id, self._kept, self.memory)
            memory_of(self._store).keep(self.stream_name, known)

    def keep_snapshot(self) -> None:
        """
        Keep the state for the next process to open the thread, if much has happened since.

        Waiting for a tenth of the stream bounds what all snapshots together have cost to a
        multiple of the last one, and what is left to be read to a fraction of the stream.
        """
        if self.version - self._kept >= max(SNAPSHOT_AFTER, self.version // 10):
            self._kept = self.version
            save_snapshot(self._store, self.stream_name, self._committed)

    def catch_up(self, connection: psycopg.Connection[Any] | None = None) -> None:
        """Read and fold what was appended since."""
        self._take(
            self._store.read(self.stream_name, position=self.version + 1, connection=connection)
        )

    def _take(self, arrived: Iterator[RecordedEvent]) -> None:
        # Page by page, for all events of a long stream at once would take much memory.
        while page := tuple(islice(arrived, DEFAULT_BATCH_SIZE)):
            self._advance(page)

    def conclude(self, events: Sequence[Event], stands: Stands) -> None:
        """
        Add facts to the buffer: they hold whatever else happened, while `stands` says so.

        Raises `ClaimLostError` when it says otherwise of what this run has read already.
        """
        assert not self._intentions, "facts come before what is decided from them"
        if not stands(self.state):
            raise claim_lost(self.stream_name)
        new = self._new(events)
        self._facts += new
        self._fences.append(stands)
        self._fold(new)

    def intend(self, events: Sequence[Event]) -> None:
        """Add to the buffer what is right only if the state is as this run knows it."""
        new = self._new(events)
        self._intentions += new
        self._fold(new)

    def flush(self) -> bool:
        """
        Commit the buffer. False when intentions had to be dropped because the stream moved on.

        Raises `ClaimLostError` when facts may not be recorded any more.
        """
        dropped = False
        while buffer := [*self._facts, *self._intentions]:
            try:
                recorded = self._store.append(
                    self.stream_name, buffer, expected_version=self.version
                )
            except OptimisticConcurrencyError:
                dropped = dropped or bool(self._intentions)
                self._reconsider()
            else:
                self._settle_buffer(recorded)
        return not dropped

    def foothold(self) -> Foothold:
        """What it takes to conclude a step elsewhere; `catch_up` after that."""
        assert self.position == self.version, "what is pending would come after the outcome"
        known = Projected(CLAIMS, claims_of(self.state), self.version)
        return Foothold(self._store, self.stream_name, known, self._annotations)

    def settle(self) -> None:
        """Keep the facts, drop the intentions, and fold what others did: the run stops here."""
        self._intentions = []
        self._refold()
        self.flush()
        self.catch_up()

    def _reconsider(self) -> None:
        """The stream moved on: see what came, and keep what still holds."""
        self._intentions, facts, fences = [], self._facts, self._fences
        self._clear()
        arrived = tuple(self._store.read(self.stream_name, position=self.version + 1))
        self._advance(arrived)
        written = {record.id for record in arrived}
        facts = [fact for fact in facts if fact.id not in written]
        if not facts:
            return
        if not all(stands(self.state) for stands in fences):
            raise claim_lost(self.stream_name)
        self._facts, self._fences = facts, fences
        self._fold(facts)

    def _new(self, events: Sequence[Event]) -> list[NewEvent]:
        metadata = new_metadata(self.stream_name, self.position)
        # Whoever reads the stream later has to come to the same state, down to the order of keys.
        prepared = map(prepare, events)
        new = [NewEvent(event=event, metadata=metadata, data_text=text) for event, text in prepared]
        self._annotations = self._annotate([(item.id, item.event) for item in new])
        metadata.update(self._annotations)
        return new

    def _fold(self, new: Sequence[NewEvent]) -> None:
        if not new:
            return
        self.state = THREAD_STATE.fold((item.event for item in new), start=self.state)

    def _settle_buffer(self, recorded: Sequence[RecordedEvent]) -> None:
        """The buffer is in the stream, so the state after it is now the committed one."""
        self._clear()
        # Folding the same events once more, from the state before them, would copy the lists
        # that the first fold has extended: all messages, with each commit.
        self._committed = Projected(THREAD_STATE, self.state, recorded[-1].position)
        self._last_id = recorded[-1].id
        self._tell(recorded)

    def _refold(self) -> None:
        self.state = self._committed.state
        self._fold([*self._facts, *self._intentions])

    def _clear(self) -> None:
        self._facts, self._intentions, self._fences = [], [], []

    def _advance(self, recorded: Sequence[RecordedEvent]) -> None:
        self._committed = advance_thread(self._store, self.stream_name, self._committed, recorded)
        if recorded:
            self._last_id = recorded[-1].id
        self._refold()
        self._tell(recorded)

    def _tell(self, recorded: Sequence[RecordedEvent]) -> None:
        for record in recorded:
            for observe in self._observers:
                observe(record)
