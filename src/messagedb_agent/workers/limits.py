"""How many turns of one model, or of one category, may run at once, over all workers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase

import msgspec

from messagedb_agent.errors import ThreadBusyError, UsageError
from messagedb_agent.store.base import EventStore, ThreadLock

_CATEGORY = "category:"


class NoSlotError(Exception):
    """A limit is used up; the thread has to wait."""


class Limit(msgspec.Struct, frozen=True):
    """`slots` turns at once whose model, or `category:` and category, fits the pattern."""

    pattern: str
    slots: int

    def covers(self, model_name: str, category: str) -> bool:
        """Whether a turn counts."""
        if self.pattern.startswith(_CATEGORY):
            return fnmatchcase(category, self.pattern.removeprefix(_CATEGORY))
        return fnmatchcase(model_name, self.pattern)


def parse_limit(text: str) -> Limit:
    """Read `PATTERN=N`. Raises `UsageError` for anything else."""
    pattern, _, number = text.rpartition("=")
    if not pattern or not number.isdecimal() or int(number) < 1:
        raise UsageError(
            f"--limit {text[:60]!r} is not of the form MODEL=N or category:NAME=N, N at least 1"
        )
    return Limit(pattern, int(number))


@contextmanager
def slots(
    store: EventStore, limits: Sequence[Limit], model_name: str, category: str
) -> Iterator[None]:
    """
    Hold a slot of each limit that covers the turn. Raises `NoSlotError` when one has none.

    A slot is a lock in the database, so it is free again when its process dies.
    """
    with ExitStack() as held:
        for limit in limits:
            if limit.covers(model_name, category):
                held.callback(_take(store, limit).release)
        yield


def _take(store: EventStore, limit: Limit) -> ThreadLock:
    numbers = list(range(limit.slots))
    random.shuffle(numbers)
    for number in numbers:
        try:
            return store.lock(f"limit {limit.pattern} slot {number}")
        except ThreadBusyError:
            continue
    raise NoSlotError(limit.pattern)
