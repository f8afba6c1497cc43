"""A turn that meets a limit leaves with exit code 4, and goes on when it is given more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Command

SLEEP = {"name": "run_command", "arguments": {"argv": ["sleep", "60"]}}
ECHO = {"name": "echo", "arguments": {"text": "again"}}
USED = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}

BUSY = [{"tool_calls": [ECHO], "usage": USED}] * 4
WAITING = [{"tool_calls": [SLEEP]}]


@pytest.mark.parametrize(
    ("limit", "maximum", "steps"),
    [
        ("--max-steps", 2, BUSY),
        ("--max-tokens", 20, BUSY),
        ("--max-repeats", 2, BUSY),
        ("--max-step-seconds", 1, WAITING),
        ("--max-seconds", 1, WAITING),
        ("--max-step-seconds", 1, [{"tool_calls": [ECHO], "delay_seconds": 1.5}]),
        ("--max-seconds", 1, [{"tool_calls": [ECHO], "delay_seconds": 1.5}]),
    ],
)
def test_continue_goes_on_within_a_higher_limit(
    command: Command, tmp_path: Path, limit: str, maximum: int, steps: list[object]
) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps([*steps, {"text": "done"}]))
    options = ["--model", f"scripted:{script}", "--auto-approve", "--format", "json"]

    stopped = command("start", "go", *options, limit, str(maximum))
    reached = command("show", "last", "--format", "json").json()[-1]

    assert (stopped.code, stopped.json()["stop"]) == (4, "limit")
    assert reached["type"] == "LimitReached"
    assert reached["data"]["limit"] == limit.removeprefix("--").replace("-", "_")
    assert reached["data"]["value"] >= reached["data"]["maximum"] == maximum
    went_on = command("continue", "last", *options, limit, str(maximum * 60))
    assert (went_on.code, went_on.json()["response"]) == (0, "done")
