"""Reads a stream in a thread of its own, so that whoever waits for it can stop at once."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from queue import Empty, SimpleQueue

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.events.base import JSONObject
from messagedb_agent.llm.streaming import stop_if_cancelled

_POLL_SECONDS = 0.1


class _End(msgspec.Struct, frozen=True):
    error: Exception | None = None


def read_in_background(
    open_stream: Callable[[], Iterable[JSONObject]], cancelled: Cancellation
) -> Generator[JSONObject, None, None]:
    """
    Yield the events of a stream as they come, until it ends or the call is cancelled.

    A blocked socket can't be woken from outside in a portable way, so the thread is left
    behind: it is a daemon, and ends with the next event or the time-out of the connection.
    """
    inbox: SimpleQueue[JSONObject | _End] = SimpleQueue()
    abandoned = threading.Event()

    def work() -> None:
        try:
            # Connecting takes a while the first time; nothing is to be sent, and paid for, after.
            stream = iter(open_stream())
            while not abandoned.is_set():
                inbox.put(next(stream))
        except StopIteration:
            inbox.put(_End())
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
            inbox.put(_End(error))

    stop_if_cancelled(cancelled)
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), name="model-call", daemon=True).start()
    try:
        yield from _drain(inbox, cancelled)
    finally:
        abandoned.set()


def _drain(inbox: SimpleQueue[JSONObject | _End], cancelled: Cancellation) -> Iterator[JSONObject]:
    while True:
        stop_if_cancelled(cancelled)
        try:
            item = inbox.get(timeout=_POLL_SECONDS)
        except Empty:
            continue
        if not isinstance(item, _End):
            yield item
        elif item.error is not None:
            raise item.error
        else:
            return
