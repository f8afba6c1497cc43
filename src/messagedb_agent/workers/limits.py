"""How many turns of one model, or of one category, may run at once, over all workers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from fnmatch import fnmatchcase
from functools import partial

import msgspec

from messagedb_agent.errors import AgentError, ThreadBusyError, UsageError
from messagedb_agent.store.base import ThreadLock
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.locks import lock_key
from messagedb_agent.workers.queue import offer_slot

_CATEGORY = "category:"


class Limit(msgspec.Struct, frozen=True):
    """`slots` turns at once whose model, or `category:` and category, fits the pattern."""

    pattern: str
    slots: int

    def covers(self, model_name: str, category: str) -> bool:
        """Whether a turn counts."""
        if self.pattern.startswith(_CATEGORY):
            return fnmatchcase(category, self.pattern.removeprefix(_CATEGORY))
        return fnmatchcase(model_name, self.pattern)

    def names(self) -> list[str]:
        """What the locks of its slots are called."""
        return [f"limit {self.pattern} slot {number}" for number in range(self.slots)]


class NoSlotError(Exception):
    """A limit is used up; the thread has to wait."""

    def __init__(self, limit: Limit) -> None:
        super().__init__(limit.pattern)
        self.limit = limit


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
    store: MessageDBClient, limits: Sequence[Limit], model_name: str, category: str
) -> Iterator[None]:
    """
    Hold a slot of each limit that covers the turn. Raises `NoSlotError` when one has none.

    A slot is a lock in the database, so it is free again when its process dies. One that is
    given back is offered to who waits for it.
    """
    covering = [limit for limit in limits if limit.covers(model_name, category)]
    with ExitStack() as taking:
        for limit in covering:
            taking.callback(_take(store, limit).release)
        taken = taking.pop_all()
    try:
        yield
    finally:
        taken.close()
        offer(store, covering)


def offer(store: MessageDBClient, limits: Sequence[Limit]) -> None:
    """Wake a thread for each free slot of the limits that somebody waits for."""
    # Where that fails, those who wait look again by themselves.
    with suppress(AgentError):
        for limit in limits:
            keys = list(map(lock_key, limit.names()))
            store.query(partial(offer_slot, limit=limit.pattern, slots=keys))


def _take(store: MessageDBClient, limit: Limit) -> ThreadLock:
    names = limit.names()
    random.shuffle(names)
    for name in names:
        try:
            return store.lock(name)
        except ThreadBusyError:
            continue
    raise NoSlotError(limit)
