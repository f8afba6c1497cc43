"""What time decides happens with workers about, once, whoever died meanwhile."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from messagedb_agent.engine.session import start_session
from messagedb_agent.events.agent import LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.system import LimitReached
from messagedb_agent.events.tool import ToolExecutionRequested
from messagedb_agent.events.user import ToolExecutionRejected, UserMessageAdded
from messagedb_agent.projections.runs import runs
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.queue import QueueingStore
from tests.workers.processes import (
    ANSWER,
    begin,
    eventually,
    history,
    is_answered,
    of,
    tool_turn,
    workers,
    write_script,
)
from tests.workers.test_commands import start_cli

SECOND = timedelta(seconds=1)


def test_who_has_to_wait_for_its_provider_lets_others_work(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    slow_down = {"error_type": "rate_limit", "retry_after": 3.0}
    script = write_script(tmp_path, {"text": ANSWER, "errors": [slow_down]})
    with workers(1, dsn, script, "--concurrency", "1"):
        streams = begin(store, 3)
        eventually(lambda: all(is_answered(store, stream) for stream in streams), 30)

    claims = [claim for stream in streams for claim in of(history(store, stream), LLMCallRequested)]
    claims.sort(key=lambda claim: claim.global_position)
    attempts = [claim.event.attempt for claim in claims]  # type: ignore[attr-defined]  # filtered by type
    assert attempts == [1, 1, 1, 2, 2, 2]
    for stream in streams:
        assert [run.state for run in runs(history(store, stream))] == ["completed"]


def test_a_worker_ends_the_run_of_a_command_that_died(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, {"text": ANSWER, "delay_seconds": 60})
    with workers(2, dsn, script) as pair:
        thread = ("--thread-id", "dies", "--model", f"scripted:{script}", "--run-timeout", "1")
        with start_cli(dsn, tmp_path, "start", "Go.", *thread) as command:
            eventually(lambda: of(history(store, "agent:v0-dies"), LLMCallRequested), 20)
            command.kill()
        eventually(lambda: of(history(store, "agent:v0-dies"), LimitReached), 20, pair[0].said)
        # Whoever else would have noticed has had the time for it.
        (later,) = _scheduled(store, datetime.now(UTC) + 3 * SECOND)
        eventually(lambda: of(history(store, later), LLMCallRequested), 20)

    records = history(store, "agent:v0-dies")
    assert len(of(records, LimitReached)) == 1
    assert len(of(records, LLMCallRequested)) == 1, "it was nobody's to go on with"
    assert [run.state for run in runs(records)] == ["failed"]


def test_a_worker_refuses_what_nobody_approved_and_goes_on(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    command = {"name": "run_command", "arguments": {"argv": [sys.executable, "--version"]}}
    script = write_script(tmp_path, {"tool_calls": [command]}, {"text": ANSWER})
    with workers(2, dsn, script, "--approval-timeout", "1") as pair:
        (stream,) = begin(store, 1)
        eventually(lambda: is_answered(store, stream), 20, pair[0].said)

    records = history(store, stream)
    assert [record.event.reason for record in of(records, ToolExecutionRejected)] == ["timed out"]  # type: ignore[attr-defined]  # filtered by type
    assert of(records, ToolExecutionRequested) == []
    assert [run.state for run in runs(records)] == ["completed"]


def test_a_message_for_later_outlives_the_worker_and_is_said_once(
    dsn: str, store: MessageDBClient, tmp_path: Path
) -> None:
    script = write_script(tmp_path, *tool_turn(calls=0, delay=0.0))
    with workers(1, dsn, script) as (dying,):
        # Made by the first worker: without a queue there would be nothing to outlive.
        streams = _scheduled(store, datetime.now(UTC) + 3 * SECOND, 5)
        dying.signal(signal.SIGKILL)
        dying.process.wait()
    with workers(2, dsn, script) as pair:
        eventually(lambda: all(is_answered(store, each) for each in streams), 30, pair[0].said)

    for stream in streams:
        records = history(store, stream)
        assert len(of(records, UserMessageAdded)) == len(of(records, LLMResponseReceived)) == 1


def _scheduled(store: MessageDBClient, due_at: datetime, count: int = 1) -> list[str]:
    queueing = QueueingStore(store)
    return [f"agent:v0-{start_session(queueing, 'Go.', due_at=due_at)}" for _ in range(count)]
