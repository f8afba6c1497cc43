"""
Appends that threads of one process make at the same time share a transaction.

`write_message` lets one transaction at a time write to a category, and each waits for the disk.
So whoever finds another append of this process under way joins those that wait as well, and one
of them writes for all. Nobody waits for company: who is alone writes at once.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg

from messagedb_agent.errors import AgentError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.operations import Batch

MOST_APPENDS = 32
MOST_CHARACTERS = 1 << 20

Recorded = tuple[RecordedEvent, ...]


class _Waiting:
    """An append that waits. With a `group` its thread has to write that, of which it is one."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.group: list[_Waiting] = []
        self.recorded: Recorded | None = None
        # Cheaper than an Event, and each is waited for once.
        self.turn = threading.Lock()
        self.turn.acquire()


class GroupCommit:
    """
    Runs appends, those of one category one after the other.

    `together` writes several batches in one transaction, all or none. When it fails, each is
    written by itself, whose fault it was or not: what was committed after all is found there.
    """

    def __init__(self, together: Callable[[Sequence[Batch]], Sequence[Recorded]]) -> None:
        self._together = together
        self._mutex = threading.Lock()
        self._waiting: dict[str, deque[_Waiting]] = {}

    def append(self, batch: Batch, alone: Callable[[], Recorded]) -> Recorded:
        """Write a batch with others, or by `alone`, whose errors are passed on."""
        category = batch.stream_name.partition("-")[0]
        mine = self._join(category, batch)
        if mine is None:
            return self._lead_alone(category, alone)
        try:
            mine.turn.acquire()
        except BaseException:
            self._withdraw(category, mine)
            raise
        if len(mine.group) == 1:
            return self._lead_alone(category, alone)
        if mine.group:
            self._lead(category, mine)
        return alone() if mine.recorded is None else mine.recorded

    def waiting(self, category: str) -> int:
        """How many appends wait for the one that is under way."""
        with self._mutex:
            return len(self._waiting.get(category, ()))

    def _join(self, category: str, batch: Batch) -> _Waiting | None:
        """Wait behind an append that is under way; None when there is none, so that this is it."""
        with self._mutex:
            waiting = self._waiting.get(category)
            if waiting is None:
                self._waiting[category] = deque()
                return None
            mine = _Waiting(batch)
            waiting.append(mine)
            return mine

    def _lead_alone(self, category: str, alone: Callable[[], Recorded]) -> Recorded:
        try:
            return alone()
        finally:
            self._hand_on(category)

    def _lead(self, category: str, mine: _Waiting) -> None:
        try:
            with suppress(psycopg.Error, AgentError):
                recorded = self._together([each.batch for each in mine.group])
                for each, events in zip(mine.group, recorded, strict=True):
                    each.recorded = events
        finally:
            self._hand_on(category)
            for each in mine.group:
                if each is not mine:
                    each.turn.release()

    def _hand_on(self, category: str) -> None:
        """Let the next group write, if anybody waits."""
        with self._mutex:
            waiting = self._waiting[category]
            if not waiting:
                del self._waiting[category]
                return
            leader = waiting[0]
            leader.group = _group(waiting)
        leader.turn.release()

    def _withdraw(self, category: str, mine: _Waiting) -> None:
        """Somebody interrupted a thread that waits; the others must not wait for it."""
        with self._mutex:
            waiting = self._waiting[category]
            if not mine.group:
                # Unless another thread writes it already.
                with suppress(ValueError):
                    waiting.remove(mine)
                return
            waiting.extendleft(reversed(mine.group[1:]))
        self._hand_on(category)


def _group(waiting: deque[_Waiting]) -> list[_Waiting]:
    """Take those that come next, as many as a short transaction holds, and at least one."""
    group = [waiting.popleft()]
    characters = group[0].batch.characters
    while waiting and len(group) < MOST_APPENDS:
        characters += waiting[0].batch.characters
        if characters > MOST_CHARACTERS:
            break
        group.append(waiting.popleft())
    return group
