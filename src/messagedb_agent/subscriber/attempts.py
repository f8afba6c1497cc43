"""Calling a handler again, and what follows when that does not help."""

from __future__ import annotations

import logging
from collections.abc import Callable

import psycopg
from psycopg_pool import PoolClosed

from messagedb_agent.errors import (
    ConsumerBusyError,
    HandlerFailedError,
    StoreUnavailableError,
)
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.store.faults import first_line, is_connection_lost
from messagedb_agent.subscriber.dead_letters import DeadLetters
from messagedb_agent.subscriber.policy import ErrorPolicy

_LONGEST_LINE = 300

_log = logging.getLogger("messagedb_agent.subscriber")


class PositionMovedError(Exception):
    """Another process has handled events under this consumer's name meanwhile."""


class StoppedError(Exception):
    """The subscriber is asked to stop while an event is unhandled."""


NOT_ABOUT_THE_EVENT = (PositionMovedError, StoppedError, ConsumerBusyError)
"""What calling the same handler again with the same event can't mend."""


class Attempts:
    """Applies one consumer's error policy. `pause` waits and says whether it is time to stop."""

    def __init__(
        self, policy: ErrorPolicy, letters: DeadLetters, pause: Callable[[float], bool]
    ) -> None:
        self._policy = policy
        self._letters = letters
        self._pause = pause

    def settle(self, record: RecordedEvent, error: Exception, again: Callable[[], None]) -> bool:
        """
        Go on after a first failure: true when the event is handled, false when it is skipped.

        Raises `HandlerFailedError` when the policy is to stop. An outage of the database is
        nobody's failure and comes out as it is, like everything that is not about the event.
        """
        attempts = 1
        for seconds in self._policy.pauses():
            _raise_unless_about_the_event(error)
            _log.warning("%s; trying again in %g s", _what_failed(record, error), seconds)
            if self._pause(seconds):
                raise StoppedError
            attempts += 1
            try:
                again()
            except Exception as latest:  # noqa: BLE001 - a handler may raise anything
                error = latest
            else:
                return True
        _raise_unless_about_the_event(error)
        if self._policy.then == "stop":
            raise HandlerFailedError(_what_failed(record, error)) from error
        reason = f"{type(error).__name__}: {error}"
        self._letters.add(record, reason, attempts)
        _log.warning(
            "%s; skipped, see stream %s", _what_failed(record, error), self._letters.stream_name
        )
        return False


def is_outage(error: BaseException | None) -> bool:
    """Whether the database is away and may come back."""
    if isinstance(error, StoreUnavailableError):
        error = error.__cause__
    if isinstance(error, PoolClosed):
        return False
    return isinstance(error, psycopg.Error) and is_connection_lost(error)


def _raise_unless_about_the_event(error: Exception) -> None:
    if isinstance(error, NOT_ABOUT_THE_EVENT) or is_outage(error):
        raise error


def _what_failed(record: RecordedEvent, error: Exception) -> str:
    return (
        f"the handler failed for {record.type} at {record.stream_name}[{record.position}]: "
        f"{type(error).__name__}: {_on_a_line(first_line(error))}"
    )


def _on_a_line(text: str) -> str:
    # What is not printable, half surrogate pairs among it, would break logs and terminals.
    shown = (c if c.isprintable() else ascii(c)[1:-1] for c in text[:_LONGEST_LINE])
    return "".join(shown)
