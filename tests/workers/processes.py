"""Real workers as processes, and what their threads' histories have to look like."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from messagedb_agent.engine.session import start_session
from messagedb_agent.events.agent import LLMCallRequested, LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.system import TurnInterrupted
from messagedb_agent.events.tool import (
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
)
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.queue import QueueingStore

ANSWER = "All done."
OUTCOMES = (ToolExecutionCompleted, ToolExecutionFailed)


class WorkerProcess:
    """`./cli worker`, as an operator starts it."""

    def __init__(self, dsn: str, script: Path, *options: str) -> None:
        self.log = script.parent / f"worker-{time.monotonic_ns()}.log"
        environ = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DATABASE_URL": dsn,
            "MODEL_NAME": f"scripted:{script}",
            "MESSAGEDB_AGENT_HOME": str(script.parent / "home"),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "messagedb_agent.cli", "worker", *options],
                env=environ, cwd=script.parent, stdout=log, stderr=log,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        eventually(lambda: "serves queue" in self.said() or None, 20, self.said)

    def said(self) -> str:
        return self.log.read_text("utf-8")

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()


@contextmanager
def workers(count: int, dsn: str, script: Path, *options: str) -> Iterator[list[WorkerProcess]]:
    started = [WorkerProcess(dsn, script, *options) for _ in range(count)]
    try:
        for worker in started:
            worker.wait_until_ready()
        yield started
    finally:
        for worker in started:
            worker.end()


def eventually(look: Callable[[], Any], seconds: float, why: Callable[[], object] = str) -> Any:
    """The first answer that is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s: {why()}"
        time.sleep(0.02)
    return found


def write_script(folder: Path, *steps: dict[str, Any]) -> Path:
    path = folder / "script.json"
    path.write_text(json.dumps({"steps": steps}), "utf-8")
    return path


def tool_turn(calls: int, delay: float) -> list[dict[str, Any]]:
    """Steps that each call a tool, and an answer."""
    call = {"name": "echo", "arguments": {"text": "hello"}}
    return [
        *({"tool_calls": [call], "delay_seconds": delay} for _ in range(calls)),
        {"text": ANSWER, "delay_seconds": delay},
    ]


def begin(store: MessageDBClient, count: int) -> list[str]:
    queueing = QueueingStore(store)
    return [f"agent:v0-{start_session(queueing, 'Go.')}" for _ in range(count)]


def history(store: MessageDBClient, stream_name: str) -> list[RecordedEvent]:
    return list(store.read(stream_name))


def of(records: list[RecordedEvent], *types: type) -> list[RecordedEvent]:
    return [record for record in records if isinstance(record.event, types)]


def is_answered(store: MessageDBClient, stream_name: str, text: str = ANSWER) -> bool:
    responses = of(history(store, stream_name), LLMResponseReceived)
    return bool(responses) and responses[-1].event.response_text == text  # type: ignore[attr-defined]  # filtered by type


def check(records: list[RecordedEvent], tool_calls: int) -> None:
    """What promise 1 says of a turn, however often it was interrupted."""
    assert [record.position for record in records] == list(range(len(records)))
    assert len(of(records, UserMessageAdded)) == 1
    assert of(records, TurnInterrupted) == []
    responses = of(records, LLMResponseReceived)
    assert len(responses) == tool_calls + 1, "no answer is asked for twice once it is recorded"
    assert len(of(records, LLMCallRequested)) >= len(responses)
    outcomes = Counter(record.event.call_id for record in of(records, *OUTCOMES))  # type: ignore[attr-defined]  # filtered by type
    assert set(outcomes.values()) <= {1}
    requested = {record.event.call_id for record in of(records, ToolExecutionRequested)}  # type: ignore[attr-defined]  # filtered by type
    assert requested == set(outcomes)
    assert len(outcomes) == tool_calls
