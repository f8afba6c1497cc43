"""Being given up: by somebody, or because the time is up."""

from __future__ import annotations

import threading

from messagedb_agent.cancellation import Deadline


def test_a_deadline_comes_by_itself() -> None:
    deadline = Deadline(threading.Event(), 0.01)

    assert deadline.wait()
    assert deadline.is_set()
    assert deadline.is_over()


def test_a_deadline_comes_with_the_cancellation_it_is_based_on() -> None:
    cancelled = threading.Event()
    deadline = Deadline(cancelled, 1000)
    assert not deadline.wait(0)

    cancelled.set()

    assert deadline.wait()
    assert not deadline.is_over()
