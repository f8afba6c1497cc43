"""A projection is a pure left fold with a name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from messagedb_agent.events.base import Event, RecordedEvent

S = TypeVar("S")
T = TypeVar("T", bound=msgspec.Struct)
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


class Combined(Projection[T], Generic[T], frozen=True, kw_only=True):
    """
    Several projections in one pass; its state is a struct with a field for each of theirs.

    `routes` tells for each event type which fields change, and how. It has no handlers of
    its own.
    """

    routes: Mapping[type[Event], Sequence[tuple[int, Handler[Any]]]]
    handlers: Mapping[type[Event], Handler[T]] = {}

    def apply(self, state: T, event: Event) -> T:
        """The state after one more event."""
        return self.fold((event,), start=state)

    def fold(self, events: Iterable[Event], *, start: T | None = None) -> T:
        """The state after all of the events, from `start` or from the beginning."""
        state = self.initial if start is None else start
        # Putting the parts together after each event would cost more than most handlers do.
        parts = list(msgspec.structs.astuple(state))
        routes = self.routes
        for event in events:
            try:
                route = routes[type(event)]
            except KeyError:
                continue
            for place, handler in route:
                parts[place] = handler(parts[place], event)
        return type(state)(*parts)


def combine(
    make: Callable[..., T], *parts: Projection[Any], name: str, version: int
) -> Combined[T]:
    """The projection whose state is `make` of the states of the parts, in their order."""
    routes: dict[type[Event], list[tuple[int, Handler[Any]]]] = {}
    for place, part in enumerate(parts):
        for kind, handler in part.handlers.items():
            routes.setdefault(kind, []).append((place, handler))
    initial = make(*(part.initial for part in parts))
    return Combined(name=name, version=version, initial=initial, routes=routes)


class Projected(msgspec.Struct, Generic[S], frozen=True):
    """A state and the stream version it is true at: a cursor, and what a snapshot stores."""

    projection: Projection[S]
    state: S
    version: int = -1

    def advance(self, recorded: Iterable[RecordedEvent]) -> Projected[S]:
        """The state after more events of the same stream; those it has seen are left out."""
        version = self.version

        def unseen() -> Iterator[Event]:
            nonlocal version
            for record in recorded:
                if record.position > version:
                    version = record.position
                    yield record.event

        state = self.projection.fold(unseen(), start=self.state)
        return Projected(self.projection, state, version)
