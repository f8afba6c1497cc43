"""A model behind a provider's SDK: the pure half of a protocol joined to its IO."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Any, Protocol, TypeAlias

import msgspec

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.errors import AgentError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.adapters.background import read_in_background
from messagedb_agent.llm.base import Completion, Delta, ModelRequest, ignore_delta
from messagedb_agent.llm.failures import Backend, translate

Answering: TypeAlias = Generator[Delta, None, Completion]
"""An answer on its way: gives its pieces, and returns the whole."""


class Wire(msgspec.Struct, frozen=True):
    """
    The pure half: a request as the SDK's arguments, and a stream's events as an answer.

    `sent` tells the body that the SDK makes of its arguments, for those who want to know what
    a model saw without sending it again.
    """

    to_request: Callable[[ModelRequest], dict[str, Any]]
    from_stream: Callable[[Iterable[JSONObject], ModelRequest], Answering]
    sent: Callable[[dict[str, Any]], JSONObject]


class Connection(Protocol):
    """The half that does IO: makes the SDK's client and streams through it."""

    def stream(self, body: dict[str, Any]) -> Iterator[JSONObject]:
        """Send a request and give the events of its answer as plain JSON."""
        ...


class RemoteModel:
    """A real model. The SDK is imported and its client made at the first call."""

    def __init__(
        self,
        model_name: str,
        *,
        wire: Wire,
        connect: Callable[[], Connection],
        backend: Backend,
    ) -> None:
        self._model_name = model_name
        self._wire = wire
        self._connect = connect
        self._backend = backend
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    @property
    def model_name(self) -> str:
        """The name as configured, which is what events record."""
        return self._model_name

    def complete(
        self,
        request: ModelRequest,
        *,
        on_delta: Callable[[Delta], None] = ignore_delta,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        """Ask the model, giving pieces to `on_delta` as they come."""
        body = self._wire.to_request(request)
        events = read_in_background(lambda: self._connected().stream(body), cancelled)
        answer = self._wire.from_stream(events, request)
        # The listener is called outside of the translation: what it raises is its own.
        with closing(events), closing(self._translated(answer)) as translated:
            return drive(translated, on_delta)

    def _translated(self, answer: Answering) -> Answering:
        try:
            return (yield from answer)
        except AgentError:
            raise
        except Exception as error:
            raise translate(error, self._backend) from error

    def _connected(self) -> Connection:
        with self._lock:
            if self._connection is None:
                self._connection = self._connect()
            return self._connection


def drive(answer: Answering, on_delta: Callable[[Delta], None] = ignore_delta) -> Completion:
    """Hand the pieces of an answer on, and return the whole."""
    while True:
        try:
            delta = next(answer)
        except StopIteration as end:
            completion: Completion = end.value
            return completion
        on_delta(delta)
