"""What threads of execution other than the screen's tell the screen."""

from __future__ import annotations

from collections.abc import Callable

from textual.message import Message

from messagedb_agent.engine.review import Review
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.threads import ThreadSummary
from messagedb_agent.tui.forking import ForkPoint


class Told(Message):
    """What the messages of this module have in common."""


class Arrived(Told):
    """Events of a thread, in order, without gaps, and the state after them."""

    def __init__(
        self, stream_name: str, records: tuple[RecordedEvent, ...], state: ThreadState
    ) -> None:
        super().__init__()
        self.stream_name = stream_name
        self.records = records
        self.state = state


class Streamed(Told):
    """There are new pieces of an answer, or of what tools tell, to be fetched."""

    def __init__(self, stream_name: str) -> None:
        super().__init__()
        self.stream_name = stream_name


class Added(Told):
    """A message was appended to a thread while a run of this program had it."""

    def __init__(self, stream_name: str) -> None:
        super().__init__()
        self.stream_name = stream_name


class RunEnded(Told):
    """
    A run of this program is over.

    `problem` is a line for the person, if there is one; `unsent` is the message that could
    not be recorded.
    """

    def __init__(
        self, stream_name: str, problem: str | None = None, unsent: str | None = None
    ) -> None:
        super().__init__()
        self.stream_name = stream_name
        self.problem = problem
        self.unsent = unsent


class Failed(Told):
    """Something that was asked for did not work; `unsent` is the message it was about."""

    def __init__(self, problem: str, unsent: str | None = None) -> None:
        super().__init__()
        self.problem = problem
        self.unsent = unsent


class StoreChanged(Told):
    """The store went away, or is back when there is no problem."""

    def __init__(self, problem: str | None) -> None:
        super().__init__()
        self.problem = problem


class Forked(Told):
    """There is a new thread to be shown, in which the message of `point` is to be said anew."""

    def __init__(self, stream_name: str, point: ForkPoint) -> None:
        super().__init__()
        self.stream_name = stream_name
        self.point = point


class Reviewed(Told):
    """It was found out what the model saw."""

    def __init__(self, found: Review) -> None:
        super().__init__()
        self.found = found


class Listed(Told):
    """The threads there are, newest first, and their titles by stream name."""

    def __init__(self, threads: tuple[ThreadSummary, ...], titles: dict[str, str]) -> None:
        super().__init__()
        self.threads = threads
        self.titles = titles


class Priced(Told):
    """What threads cost so far in US dollars, by stream name; None where a price is not known."""

    def __init__(self, costs: dict[str, float | None]) -> None:
        super().__init__()
        self.costs = costs


Post = Callable[[Told], object]
"""Hands a message to the screen, from any thread."""
