"""Limits that several workers share, as their threads' histories show them."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

from messagedb_agent.engine.session import start_session
from messagedb_agent.events.agent import LLMCallRequested, LLMResponseReceived
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.queue import QueueingStore
from tests.workers.processes import (
    check,
    eventually,
    history,
    is_answered,
    of,
    tool_turn,
    workers,
    write_script,
)


def at_once(store: MessageDBClient, streams: list[str]) -> int:
    """The most model calls that were claimed and had no answer at the same time."""
    steps = [
        (record.time, 1 if isinstance(record.event, LLMCallRequested) else -1)
        for stream in streams
        for record in of(history(store, stream), LLMCallRequested, LLMResponseReceived)
    ]
    return max(accumulate(change for _, change in sorted(steps)))


def test_a_limit_is_kept_by_all_workers_together(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, *tool_turn(calls=1, delay=0.1))
    limits = ("--limit", "category:trial=2", "--limit", "scripted*=5")
    with workers(3, dsn, script, "--concurrency", "6", *limits) as three:
        queueing = QueueingStore(store)
        trial, paying = (
            [
                f"{category}:v0-{start_session(queueing, 'Go.', category=category)}"
                for _ in range(10)
            ]
            for category in ("trial", "agent")
        )
        both = [*trial, *paying]
        eventually(lambda: all(is_answered(store, each) for each in both), 60, three[0].said)

    assert at_once(store, trial) <= 2
    assert at_once(store, both) <= 5
    for stream in both:
        check(history(store, stream), tool_calls=1)
