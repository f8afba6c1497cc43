"""Watching a thread that another process drives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Literal

from messagedb_agent.engine.history import advance_thread
from messagedb_agent.engine.live import PROGRESS, Ears, Piece
from messagedb_agent.engine.recorder import Observer
from messagedb_agent.engine.result import RunResult
from messagedb_agent.events.agent import LLMCallFailed, LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.base import Delta, ignore_delta
from messagedb_agent.projections.next_step import (
    CallModel,
    Decider,
    Decision,
    Stop,
    decide,
    report_the_ending,
    rest_when_halted,
)
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.base import EventStore
from messagedb_agent.tools.base import ToolProgress, ignore_progress

POLL_SECONDS = 0.1
LISTEN_SECONDS = 0.5
SECONDS_BEFORE_TAKING_OVER = 1.0

GAP = "[…]"
"""Stands for the part of an answer that was generated before anybody here listened."""

_GAPS: dict[str, Delta] = {"text": Delta(GAP, "text"), "thinking": Delta(GAP, "thinking")}


def is_gap(delta: Delta) -> bool:
    """Whether a delta stands for a missing part, and is not a text that looks like it."""
    return delta is _GAPS[delta.kind]


def settled(state: ThreadState) -> Decision | None:
    """The decider of those who only watch: they know no agent, but see that nothing is left."""
    if state.session.is_ended:
        return Stop("ended")
    if halted := rest_when_halted(state):
        return halted
    if state.calls.open:
        waiting = len(state.calls.pending) == len(state.calls.open)
        return Stop("waiting") if waiting else CallModel(attempt=1)
    if state.context.wants_answer or state.turn.stop_reason == "pause":
        return CallModel(attempt=1)
    return report_the_ending(state)


class Follower:
    """
    Reads a thread as it grows, and tells when its turn is over.

    `version` is the position of the last event that the observers have seen already. With
    `ears` it reads when there is something to read, and hears the answer that is generated.
    """

    def __init__(
        self,
        store: EventStore,
        stream_name: str,
        deciders: Iterable[Decider],
        observers: Iterable[Observer] = (),
        version: int = -1,
        *,
        ears: Ears | None = None,
        on_delta: Callable[[Delta], None] = ignore_delta,
        on_progress: Callable[[ToolProgress], None] = ignore_progress,
    ) -> None:
        self._store = store
        self._stream_name = stream_name
        self._deciders = tuple(deciders)
        self._observers = tuple(observers)
        self._seen = version
        self._projected = THREAD_STATE.at_start()
        self._ears = ears
        self._answer = _Answer(on_delta)
        self._on_progress = on_progress

    @property
    def version(self) -> int:
        """The position of the last event read."""
        return self._projected.version

    @property
    def state(self) -> ThreadState:
        """The thread as far as it was read."""
        return self._projected.state

    def look(self) -> RunResult | None:
        """Read what is new; the result once the thread needs nothing more, or somebody."""
        arrived = tuple(self._store.read(self._stream_name, position=self.version + 1))
        self._projected = advance_thread(self._store, self._stream_name, self._projected, arrived)
        for record in arrived:
            self._answer.on_event(record)
            if record.position > self._seen:
                for observe in self._observers:
                    observe(record)
        state = self._projected.state
        decision = decide(state, self._deciders)
        return RunResult(decision.reason, state) if isinstance(decision, Stop) else None

    def wait(self, cancelled: threading.Event) -> RunResult | None:
        """
        Follow until the turn is over, for about a second.

        None when it goes on: its driver may have died, so the caller should see whether it
        can take over.
        """
        pause = POLL_SECONDS if self._ears is None else LISTEN_SECONDS
        for _ in range(round(SECONDS_BEFORE_TAKING_OVER / pause)):
            result = self.look()
            if result is not None or cancelled.is_set():
                return result
            self.pause(pause, cancelled)
        return None

    def pause(self, seconds: float, cancelled: threading.Event) -> None:
        """Wait for something new, at most this long; pass on what is heard of an answer."""
        if self._ears is None:
            cancelled.wait(seconds)
            return
        for piece in self._ears.wait(seconds):
            if piece.claim > self.version:
                self.look()
            if piece.kind == PROGRESS:
                self._pass_on(piece)
            else:
                self._answer.on_piece(piece)

    def _pass_on(self, piece: Piece) -> None:
        """What a tool says counts while its call is open."""
        if not self._is_open(piece.tool_call_id):
            # It may have begun since the last look.
            self.look()
        if self._is_open(piece.tool_call_id):
            self._on_progress(ToolProgress(piece.tool_call_id, piece.tool_name, piece.text))

    def _is_open(self, call_id: str) -> bool:
        return any(call.call.id == call_id for call in self.state.calls.open)


class _Answer:
    """Puts the pieces of the answer in order that is being generated; drops those of others."""

    def __init__(self, on_delta: Callable[[Delta], None]) -> None:
        self._on_delta = on_delta
        self._claim: int | None = None
        self._heard: dict[str, int] = {}

    def on_event(self, record: RecordedEvent) -> None:
        if isinstance(record.event, LLMCallRequested):
            self._claim, self._heard = record.position, {}
        elif isinstance(record.event, LLMResponseReceived | LLMCallFailed):
            self._claim = None

    def on_piece(self, piece: Piece) -> None:
        if piece.claim != self._claim:
            return
        heard = self._heard.get(piece.kind, 0)
        kind: Literal["thinking", "text"] = "thinking" if piece.kind == "thinking" else "text"
        if piece.at > heard:
            self._on_delta(_GAPS[kind])
        fresh = piece.text[max(heard - piece.at, 0) :]
        self._heard[piece.kind] = max(heard, piece.at + len(piece.text))
        if fresh:
            self._on_delta(Delta(fresh, kind))
