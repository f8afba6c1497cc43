"""Ctrl+C: once ends the turn with an event, twice ends the program."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from messagedb_agent.cli.leaving import EXIT_INTERRUPTED, leave
from messagedb_agent.engine.thread import AgentThread


@contextmanager
def interruptible(thread: AgentThread) -> Iterator[None]:
    """
    Lead SIGINT to the thread while the block runs.

    The engine is interrupted where it acts, not where it writes down what happened. A second
    signal leaves at once; what is recorded then is as good as after a crash, which is good.
    """
    presses = 0

    def on_signal(_signal: int, _frame: object) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            leave(EXIT_INTERRUPTED)
        if thread.interrupt():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
