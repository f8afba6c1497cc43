from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from messagedb_agent.cancellation import NEVER
from messagedb_agent.errors import ModelCallError
from messagedb_agent.llm.adapters.background import read_in_background


def test_events_come_in_order_and_end() -> None:
    events = [{"number": number} for number in range(100)]

    assert list(read_in_background(lambda: events, NEVER)) == events


def test_what_the_stream_raises_is_raised_where_it_is_awaited() -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield {}
        raise ConnectionResetError("gone")

    reading = read_in_background(broken, NEVER)

    assert next(reading) == {}
    with pytest.raises(ConnectionResetError):
        next(reading)


def test_nothing_is_opened_for_a_call_that_is_cancelled_already() -> None:
    cancelled = threading.Event()
    cancelled.set()
    opened = threading.Event()

    def connect() -> Iterator[dict[str, Any]]:
        opened.set()
        return iter(())

    with pytest.raises(ModelCallError):
        next(read_in_background(connect, cancelled))

    assert not opened.wait(0.05)


def test_nothing_is_sent_when_the_call_was_left_while_connecting() -> None:
    connecting, left, sent = threading.Event(), threading.Event(), threading.Event()

    def send() -> Iterator[dict[str, Any]]:
        sent.set()
        yield {}

    def connect() -> Iterator[dict[str, Any]]:
        connecting.set()
        left.wait(5)
        return send()

    cancelled = threading.Event()

    def cancel() -> None:
        connecting.wait(5)
        cancelled.set()

    threading.Thread(target=cancel).start()
    with pytest.raises(ModelCallError):
        next(read_in_background(connect, cancelled))
    left.set()

    assert not sent.wait(0.1)


def test_the_stream_is_closed_soon_after_nobody_reads_it_any_more() -> None:
    closed = threading.Event()

    def endless() -> Iterator[dict[str, Any]]:
        try:
            while True:
                yield {}
                time.sleep(0.01)
        finally:
            closed.set()

    with closing(read_in_background(endless, NEVER)) as reading:
        next(reading)

    assert closed.wait(5)
