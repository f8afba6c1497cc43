"""A projection is a pure left fold with a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

import msgspec

from messagedb_agent.events.base import Event, RecordedEvent

S = TypeVar("S")
E = TypeVar("E", bound=Event)

Handler = Callable[[S, Any], S]
"""Takes a state and an event of the type it is registered for to the next state."""


class Projection(msgspec.Struct, Generic[S], frozen=True):
    """
    An initial state and one handler for each event type that matters.

    Other events, known or not, leave the state as it is. Handlers look at nothing but their
    arguments. Raise `version` whenever a handler or the shape of the state changes.
    """

    name: str
    version: int
    initial: S
    handlers: Mapping[type[Event], Handler[S]]

    def apply(self, state: S, event: Event) -> S:
        """The state after one more event."""
        handler = self.handlers.get(type(event))
        return state if handler is None else handler(state, event)

    def fold(self, events: Iterable[Event], *, start: S | None = None) -> S:
        """The state after all of the events, from `start` or from the beginning."""
        state = self.initial if start is None else start
        find = self.handlers.get
        for event in events:
            handler = find(type(event))
            if handler is not None:
                state = handler(state, event)
        return state

    def at_start(self) -> Projected[S]:
        """The state of a stream without events."""
        return Projected(self, self.initial)


class Projected(msgspec.Struct, Generic[S], frozen=True):
    """A state and the stream version it is true at: a cursor, and what a snapshot stores."""

    projection: Projection[S]
    state: S
    version: int = -1

    def advance(self, recorded: Iterable[RecordedEvent]) -> Projected[S]:
        """The state after more events of the same stream; those it has seen are left out."""
        state, version = self.state, self.version
        find = self.projection.handlers.get
        for record in recorded:
            if record.position <= version:
                continue
            version = record.position
            handler = find(type(record.event))
            if handler is not None:
                state = handler(state, record.event)
        return Projected(self.projection, state, version)
