"""
Given these events, when these happen, then this follows: for projections and deciders.

    given(SessionStarted(), UserMessageAdded(message="hi")).then_decides(
        agent.deciders(), CallModel(attempt=1)
    )

Events pass through the codec first, so that what is folded is what a store would give back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from messagedb_agent.events.base import Event
from messagedb_agent.events.codec import as_stored
from messagedb_agent.projections.base import Projection
from messagedb_agent.projections.next_step import Decider, Decision, decide
from messagedb_agent.projections.thread_state import THREAD_STATE

S = TypeVar("S")


class Scenario(msgspec.Struct, frozen=True):
    """A past; every question about it is answered from its events alone."""

    past: tuple[Event, ...] = ()

    def when(self, *events: Event) -> Scenario:
        """The same past, and then these."""
        return Scenario((*self.past, *map(as_stored, events)))

    def folded_by(self, projection: Projection[S]) -> S:
        """The state that the past leads to."""
        return projection.fold(self.past)

    def decided_by(self, deciders: Iterable[Decider]) -> Decision:
        """What is to be done next."""
        return decide(self.folded_by(THREAD_STATE), deciders)

    def then(self, projection: Projection[S], expected: S) -> None:
        """Assert the state."""
        found = self.folded_by(projection)
        assert found == expected, self._told(found, expected)

    def then_decides(self, deciders: Iterable[Decider], expected: Decision) -> None:
        """Assert the decision."""
        found = self.decided_by(deciders)
        assert found == expected, self._told(found, expected)

    def _told(self, found: Any, expected: Any) -> str:
        past = "\n".join(f"  {place:3} {event!r}" for place, event in enumerate(self.past))
        return f"given\n{past}\nfound    {found!r}\nexpected {expected!r}"


def given(*past: Event) -> Scenario:
    """A scenario in which this has happened."""
    return Scenario().when(*past)
