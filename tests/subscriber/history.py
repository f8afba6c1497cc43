"""What the tests of consumers write and observe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from messagedb_agent.events import RecordedEvent, UserMessageAdded
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.subscriber import Subscriber

PATIENCE_SECONDS = 20.0


def said(message: str) -> NewEvent:
    return NewEvent(event=UserMessageAdded(message=message, timestamp="2026-01-02T03:04:05Z"))


def write(store: MessageDBClient, stream_name: str, *messages: str) -> tuple[RecordedEvent, ...]:
    return store.append(stream_name, [said(message) for message in messages])


def text(record: RecordedEvent) -> str:
    assert isinstance(record.event, UserMessageAdded)
    return record.event.message


class Seen:
    """A handler that keeps the messages it got, and lets others wait for them."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.records: list[RecordedEvent] = []
        self._changed = threading.Condition()

    def __call__(self, record: RecordedEvent) -> None:
        with self._changed:
            self.records.append(record)
            self.messages.append(text(record))
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[list[str]], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self.messages), PATIENCE_SECONDS)

    def wait_for_count(self, count: int) -> None:
        self.wait_for(lambda messages: len(messages) >= count)


@contextmanager
def running(*subscribers: Subscriber) -> Iterator[None]:
    """The subscribers at work, each in a thread, until the block ends."""
    threads = [threading.Thread(target=each.run) for each in subscribers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each in subscribers:
            each.stop()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive()
