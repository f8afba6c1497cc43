"""One handler made of several, by event type."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from messagedb_agent.events.base import Event, RecordedEvent

Route = Callable[[RecordedEvent], Any]


class Router:
    """
    Leads each event to the handler of its type.

    A subscriber with a router reads nothing but the routed types, unless the router has an
    `otherwise`.
    """

    def __init__(self, routes: Mapping[type[Event] | str, Route], otherwise: Route | None) -> None:
        self._routes = {_name(kind): handler for kind, handler in routes.items()}
        self._otherwise = otherwise

    @property
    def event_types(self) -> frozenset[str] | None:
        """The names of the types that are handled; None for all."""
        return None if self._otherwise else frozenset(self._routes)

    def __call__(self, record: RecordedEvent) -> Awaitable[None] | None:
        handler = self._routes.get(record.type, self._otherwise)
        # What comes back is either nothing or something to be awaited by the subscriber.
        result: Awaitable[None] | None = handler(record) if handler else None
        return result


def route(routes: Mapping[type[Event] | str, Route], *, otherwise: Route | None = None) -> Router:
    """
    A handler for each event type, given as class or as name; they may be coroutine functions.

    Other events go to `otherwise`, or nowhere.
    """
    return Router(routes, otherwise)


def _name(kind: type[Event] | str) -> str:
    return kind if isinstance(kind, str) else kind.__name__
