"""The command line, as processes: one is killed, another goes on, and the trace is one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from messagedb_agent.store import schema
from messagedb_agent.workers.schema import install
from tests.observability.collector import Collector, attributes_of
from tests.observability.conversation import ANSWER, ASK, THREAD
from tests.postgres import NewDatabase

PLANTED = {
    "SOME_API_KEY": "planted-api-key",
    "MY_TOKEN": "planted-token",
    "GITHUB_PASSWORD": "planted-password",
}
LOGIN = {"name": "log_in", "arguments": {"password": "planted-argument", "user": "me"}}


@pytest.fixture
def dsn(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    # The throwaway server asks for none, so any will do.
    return dsn if os.environ.get("DATABASE_URL") else make_conninfo(dsn, password="planted-db")


class Cli:
    def __init__(self, dsn: str, folder: Path, **environ: str) -> None:
        self.dsn = dsn
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "DB_", "PG"))}
        self.environ = {
            **kept,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DATABASE_URL": dsn,
            "NO_PROXY": "127.0.0.1",
            **PLANTED,
            **environ,
        }

    def script(self, *steps: dict[str, Any]) -> None:
        (self.folder / "script.json").write_text(json.dumps(list(steps)), encoding="utf-8")

    def begin(self, *arguments: str, allow: bool = True) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "messagedb_agent.cli", *arguments]
        if allow:
            command.append("--auto-approve")
        if arguments[0] in ("start", "message", "continue"):
            command += ["--model", f"scripted:{self.folder / 'script.json'}"]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, allow: bool = True) -> tuple[int, str, str]:
        process = self.begin(*arguments, allow=allow)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def events(self) -> list[tuple[str, str, str]]:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(
                "SELECT type, data::text, coalesce(metadata::text, '') "
                "FROM message_store.messages ORDER BY global_position"
            ).fetchall()

    def wait_for(self, type_name: str, count: int) -> None:
        deadline = time.monotonic() + 30
        while sum(row[0] == type_name for row in self.events()) < count:
            assert time.monotonic() < deadline, self.events()
            time.sleep(0.02)


def test_a_killed_turn_that_another_process_finishes_is_one_trace(
    dsn: str, tmp_path: Path, collector: Collector
) -> None:
    cli = Cli(dsn, tmp_path, **collector.environment())
    cli.script(ASK, {**ANSWER, "delay_seconds": 60})
    process = cli.begin("start", "what?", "--thread-id", THREAD)
    cli.wait_for("LLMCallRequested", 2)
    process.kill()
    process.communicate()

    cli.script(ASK, ANSWER)
    code, out, _ = cli.run("continue", THREAD)

    assert (code, out) == (0, "It is 42.\n")
    spans = {span.span_id: span for span in collector.spans}
    root = next(span for span in spans.values() if not span.parent_id)
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert {span.parent_id for span in spans.values()} - {""} <= set(spans)
    outline = ((span.name, span.attributes.get("error.type")) for span in spans.values())
    assert Counter(outline) == Counter(
        [
            ("invoke_agent messagedb-agent", "interrupted"),
            ("chat scripted", None),
            ("execute_tool calculate", None),
            ("execute_tool echo", None),
            ("chat scripted", "interrupted"),
            ("invoke_agent messagedb-agent", None),
            ("chat scripted", None),
        ]
    )
    parents = [json.loads(row[2])["traceparent"].split("-")[1] for row in cli.events()]
    assert set(parents) == {root.trace_id}


WRITE = {
    "tool_calls": [{"name": "write_file", "arguments": {"path": "a.txt", "content": "hi"}}],
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}


def test_a_turn_through_everything_is_one_complete_trace(
    dsn: str, tmp_path: Path, collector: Collector
) -> None:
    cli = Cli(dsn, tmp_path, MODEL_RETRY_PAUSE="0.01", **collector.environment())
    overloaded = {"error_type": "overloaded", "message": "busy"}
    refused = {"error_type": "authentication", "message": "no"}

    # It waits for an approval; a process is killed after it; the model is overloaded, then
    # refuses; in the end it answers.
    cli.script(WRITE)
    paused = cli.run("start", "write", "--thread-id", THREAD, allow=False)[0]
    cli.run("approve", THREAD, allow=False)
    cli.script(WRITE, {**ANSWER, "delay_seconds": 60})
    process = cli.begin("continue", THREAD, allow=False)
    cli.wait_for("LLMCallRequested", 2)
    process.kill()
    process.communicate()
    cli.script(WRITE, {**ANSWER, "errors": [overloaded, refused]})
    failed = cli.run("continue", THREAD, allow=False)[0]
    cli.script(WRITE, ANSWER)
    done, out, _ = cli.run("continue", THREAD, allow=False)

    assert (paused, failed, done, out) == (3, 1, 0, "It is 42.\n")
    spans = {span.span_id: span for span in collector.spans}
    (root,) = (span for span in spans.values() if not span.parent_id)
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert {span.parent_id for span in spans.values()} - {""} <= set(spans)
    outline = ((span.name, span.attributes.get("error.type")) for span in spans.values())
    assert Counter(outline) == Counter(
        [
            ("invoke_agent messagedb-agent", None),
            ("chat scripted", None),
            ("invoke_agent messagedb-agent", "interrupted"),
            ("execute_tool write_file", None),
            ("chat scripted", "interrupted"),
            ("invoke_agent messagedb-agent", "authentication"),
            ("chat scripted", "overloaded"),
            ("chat scripted", "authentication"),
            ("invoke_agent messagedb-agent", None),
            ("chat scripted", None),
        ]
    )
    for span in spans.values():
        assert span.attributes["gen_ai.conversation.id"] == THREAD
        assert span.attributes["gen_ai.operation.name"] == span.name.split()[0]
        assert span.is_error is ("error.type" in span.attributes)
    runs = {
        attributes_of(point.attributes)["messagedb_agent.stop"]
        for point in collector.metrics["messagedb_agent.runs"]
    }
    assert runs == {"waiting", "failed", "done"}
    errors = {
        attributes_of(point.attributes).get("error.type")
        for point in collector.metrics["gen_ai.client.operation.duration"]
    }
    assert errors >= {None, "overloaded", "authentication"}


def test_a_turn_that_a_worker_goes_on_with_stays_one_trace(
    dsn: str, tmp_path: Path, collector: Collector
) -> None:
    cli = Cli(dsn, tmp_path, **collector.environment())
    cli.script(WRITE, ANSWER)
    cli.run("start", "write", "--thread-id", THREAD, allow=False)
    with psycopg.connect(dsn) as connection:
        install(connection, "agent:v0")
    cli.run("approve", THREAD, allow=False)

    worker = cli.begin("worker", "--model", f"scripted:{tmp_path / 'script.json'}", allow=False)
    cli.run("continue", THREAD, "--no-wait", allow=False)
    cli.wait_for("LLMResponseReceived", 2)
    worker.terminate()
    worker.communicate(timeout=60)

    spans = {span.span_id: span for span in collector.spans}
    (root,) = (span for span in spans.values() if not span.parent_id)
    assert {span.trace_id for span in spans.values()} == {root.trace_id}
    assert Counter(span.name for span in spans.values()) == Counter(
        {"invoke_agent messagedb-agent": 2, "chat scripted": 2, "execute_tool write_file": 1}
    )


def test_secrets_come_out_nowhere(dsn: str, tmp_path: Path, collector: Collector) -> None:
    cli = Cli(
        dsn,
        tmp_path,
        **collector.environment(),
        LOG_LEVEL="DEBUG",
        LOG_FORMAT="json",
        LOG_CONTENT="true",
        OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true",
        OTEL_EXPORTER_OTLP_HEADERS="authorization=planted-header",
    )
    cli.script({"tool_calls": [LOGIN]}, ANSWER)

    code, _, err = cli.run("start", "log in", "--format", "json")

    assert code == 0
    lines = [json.loads(line) for line in err.splitlines()]
    assert len(lines) > 5
    assert len({line["thread_id"] for line in lines if "thread_id" in line}) == 1
    assert "planted" not in err
    assert b"planted" not in b"".join(collector.raw)
    rows = cli.events()
    assert not [row for row in rows if "planted" in row[2]]
    # What the model asked for is a fact, and kept as it was.
    assert {row[0] for row in rows if "planted" in row[1]} <= {
        "LLMResponseReceived",
        "ToolExecutionRequested",
        "ToolExecutionFailed",
    }


def test_by_default_a_run_says_nothing_more_than_it_has_to(dsn: str, tmp_path: Path) -> None:
    cli = Cli(dsn, tmp_path)
    cli.script(ANSWER)

    code, out, err = cli.run("start", "what?", "--format", "json")

    assert (code, json.loads(out)["response"], err) == (0, "It is 42.", "")
    assert not [row for row in cli.events() if "traceparent" in row[2]]


def test_a_worker_is_observed_as_a_command_is(
    dsn: str, tmp_path: Path, collector: Collector
) -> None:
    logs = {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}
    cli = Cli(dsn, tmp_path, **collector.environment(), **logs)
    cli.script(ASK, ANSWER)
    worker = cli.begin("worker")
    try:
        cli.run("start", "what?", "--thread-id", THREAD, "--no-wait")
        cli.wait_for("LLMResponseReceived", 2)
    finally:
        worker.terminate()
    err = worker.communicate(timeout=60)[1]

    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    told = [line for line in lines if line["logger"] == "messagedb_agent.run"]
    assert {line["thread_id"] for line in told} == {THREAD}
    (run_id,) = {line["run_id"] for line in told}
    assert {line["event"]: line["step"][:5] for line in told}["model called"] == "chat@"
    claims = [json.loads(row[2]) for row in cli.events() if row[0] == "LLMCallRequested"]
    assert {claim["run_id"] for claim in claims} == {run_id}
    names = Counter(span.name for span in collector.spans)
    assert names["chat scripted"] == 2
    assert names["invoke_agent messagedb-agent"] == 1
    assert {claim["traceparent"].split("-")[1] for claim in claims} == {
        span.trace_id for span in collector.spans
    }
