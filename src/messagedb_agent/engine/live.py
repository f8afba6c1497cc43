"""
What a run tells those who watch: new events, the answer so far, how far its tools are.

All of it is a hint, sent after the commit from a connection of its own, because a
transaction that notifies makes all others that do wait for its commit. Nothing is stored,
and nothing is lost with it but time: readers read by position, and poll too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol, Self

import msgspec
import psycopg

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events.agent import LLMCallRequested
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.llm.base import Delta
from messagedb_agent.store.notifications import about, channel_of, send
from messagedb_agent.tools.base import ToolProgress

BATCH_SECONDS = 0.05
CALM_SECONDS = 0.015
# Escaped to ASCII a character takes up to 12 bytes, and a payload has to stay below 8000.
_LONGEST_PIECE = 600
# Of what a tool says, three such texts have to fit together.
_LONGEST_TOLD = 300
_LONGEST_ID = 200
_LONGEST_NAME = 64

PROGRESS = "progress"
"""The kind of a piece that a tool said."""


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    Some text of the answer to the claim at position `claim`, from character `at` on.

    Of kind "progress" it is what the tool says about its call instead.
    """

    claim: int
    at: int
    text: str
    kind: str = "text"
    tool_call_id: str = ""
    tool_name: str = ""


class Connects(Protocol):
    """A store that lends connections."""

    def connection(self) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A connection in autocommit mode."""
        ...


class Announcer:
    """
    Sends what its voices say, from a thread of its own, so that no run waits for it.

    Use as a context manager, or close it. What can't be sent is dropped.
    """

    def __init__(self, store: Connects) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._listens = False
        self._streams: dict[str, None] = {}
        self._pieces: list[tuple[str, Piece]] = []
        self._closed = False
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Send what is left, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout=1.0)

    def voice(self, stream_name: str) -> Voice:
        """What one run speaks with."""
        return Voice(self, stream_name)

    def say_event(self, stream_name: str) -> None:
        """This stream has new events."""
        with self._changed:
            self._streams[stream_name] = None
            self._wake()

    def say_piece(self, stream_name: str, piece: Piece) -> None:
        """A piece of an answer, sent together with those of the next moment."""
        with self._changed:
            self._pieces.append((stream_name, piece))
            self._wake()

    def _wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)
            self._thread.start()
        if self._listens:
            self._changed.notify()

    def _run(self) -> None:
        quiet_until = calm_until = 0.0
        while True:
            with self._changed:
                self._listens = True
                while not (self._streams or self._closed):
                    left = quiet_until - time.monotonic()
                    if self._pieces and left <= 0:
                        break
                    self._changed.wait(max(left, 0.0) if self._pieces else None)
                self._listens = False
                # Where many runs write at once, each statement tells of what all of them wrote.
                self._changed.wait_for(lambda: self._closed, calm_until - time.monotonic())
                streams, pieces = list(self._streams), self._pieces
                self._streams, self._pieces = {}, []
                closed = self._closed
            if pieces:
                quiet_until = time.monotonic() + BATCH_SECONDS
            self._send(streams, pieces)
            calm_until = time.monotonic() + CALM_SECONDS
            if closed:
                return

    def _send(self, streams: list[str], pieces: list[tuple[str, Piece]]) -> None:
        # Events first: pieces belong to what they tell of.
        hints = [hint for name in streams for hint in about(name)]
        hints += [
            (channel_of(name), json.dumps(msgspec.to_builtins(piece)))
            for name, piece in _joined(pieces)
        ]
        if not hints:
            return
        try:
            with self._store.connection() as connection:
                send(connection, hints)
        except (psycopg.Error, StoreUnavailableError):
            # Who listens polls too, and sees a gap.
            return


class Voice:
    """Speaks for one run; its methods are an observer, an `on_delta` and an `on_progress`."""

    def __init__(self, announcer: Announcer, stream_name: str) -> None:
        self._announcer = announcer
        self._stream_name = stream_name
        self._claim = -1
        self._length: dict[str, int] = {}
        self._live = False

    def begin(self) -> None:
        """From here on events are new, not history."""
        self._live = True

    def on_event(self, record: RecordedEvent) -> None:
        """An event was recorded."""
        if isinstance(record.event, LLMCallRequested):
            self._claim, self._length = record.position, {}
        if self._live:
            self._announcer.say_event(self._stream_name)

    def on_delta(self, delta: Delta) -> None:
        """A piece of an answer came."""
        at = self._length.get(delta.kind, 0)
        self._length[delta.kind] = at + len(delta.text)
        self._announcer.say_piece(self._stream_name, Piece(self._claim, at, delta.text, delta.kind))

    def on_progress(self, told: ToolProgress) -> None:
        """A tool said how far it is."""
        call_id, name = told.tool_call_id[:_LONGEST_ID], told.tool_name[:_LONGEST_NAME]
        piece = Piece(self._claim, 0, told.text[:_LONGEST_TOLD], PROGRESS, call_id, name)
        self._announcer.say_piece(self._stream_name, piece)


def _joined(pieces: list[tuple[str, Piece]]) -> list[tuple[str, Piece]]:
    """
    Neighbours of one answer made one, and what is too long for a payload made several.

    Of what a tool said in the meantime only the latest is left.
    """
    joined: list[tuple[str, Piece]] = []
    latest = {(name, piece.tool_call_id): piece for name, piece in pieces if piece.kind == PROGRESS}
    for name, piece in pieces:
        if piece.kind == PROGRESS:
            continue
        before = joined[-1] if joined else None
        if before is not None and before[0] == name and _follows(before[1], piece):
            text = before[1].text + piece.text
            joined[-1] = (name, msgspec.structs.replace(before[1], text=text))
        else:
            joined.append((name, piece))
    return [
        (name, Piece(piece.claim, piece.at + start, piece.text[start:end], piece.kind))
        for name, piece in joined
        for start in range(0, len(piece.text), _LONGEST_PIECE)
        for end in (start + _LONGEST_PIECE,)
    ] + [(name, piece) for (name, _), piece in latest.items()]


def _follows(before: Piece, piece: Piece) -> bool:
    return (before.claim, before.kind, before.at + len(before.text)) == (
        piece.claim,
        piece.kind,
        piece.at,
    )


class Ears:
    """
    Hears one thread, on a session of its own, made anew when it breaks.

    Without a session it is deaf and only waits, so that a follower falls back to polling.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]], stream_name: str) -> None:
        self._connect = connect
        self._channel = channel_of(stream_name)
        self._session: psycopg.Connection[Any] | None = None

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._session is not None:
            self._session.close()

    def wait(self, timeout: float) -> tuple[Piece, ...]:
        """Wait for a hint, at most `timeout` seconds; the pieces of the answer that came."""
        try:
            session = self._session or self._listen()
            if session is None:
                raise psycopg.OperationalError("there is no session")
            heard = list(session.notifies(timeout=timeout, stop_after=1))
        except (psycopg.Error, StoreUnavailableError):
            self._session = None
            threading.Event().wait(timeout)
            return ()
        return tuple(_piece(note.payload) for note in heard if note.payload)

    def _listen(self) -> psycopg.Connection[Any] | None:
        try:
            self._session = self._connect()
            self._session.execute(f"LISTEN {self._channel}".encode())
        except (psycopg.Error, StoreUnavailableError):
            self._session = None
        return self._session


def _piece(payload: str) -> Piece:
    try:
        return msgspec.convert(json.loads(payload), Piece)
    except ValueError:
        # Anybody may notify; this is nothing of ours.
        return Piece(-1, 0, "")
