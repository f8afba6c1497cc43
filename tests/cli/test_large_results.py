"""What commands show of a result that is stored apart from its thread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import Command

TEXT = "".join(f"line {number}\n" for number in range(1900))
LAST = "line 1899"
STEPS = [
    {"tool_calls": [{"name": "read_file", "arguments": {"path": "long.txt"}}]},
    {"text": "read"},
]


@pytest.fixture
def run(command: Command, tmp_path: Path) -> Any:
    """What a run says that has read a long file, in JSON."""
    (tmp_path / "long.txt").write_text(TEXT)
    (tmp_path / "model.json").write_text(json.dumps({"steps": STEPS}))
    return command("start", "Read it", "--model", "scripted:model.json", "--format", "json").json()


def completed(events: list[Any]) -> Any:
    (data,) = [event["data"] for event in events if event["type"] == "ToolExecutionCompleted"]
    return data


def test_a_run_tells_the_whole_result(run: Any) -> None:
    assert LAST in run["tool_calls"][0]["result"]["content"]


def test_the_transcript_shows_its_beginning_and_size(command: Command, run: Any) -> None:
    shown = command("show", "last").out
    size, sha256 = completed(command("show", "last", "--format", "json").json())["stored"].values()

    assert f"← read_file = [{size:,} bytes, {sha256[:12]}] {{" in shown
    assert "\n  … this is its beginning (--full)\n" in shown
    assert LAST not in shown
    assert LAST not in command("show", "last", "--events").out


def test_all_of_it_is_one_option_away(command: Command, run: Any) -> None:
    shown = command("show", "last", "--full").out

    assert LAST in shown
    assert "its beginning" not in shown
    assert LAST in command("show", "last", "--events", "--full").out


def test_json_holds_what_is_stored_unless_all_is_wanted(command: Command, run: Any) -> None:
    stored = completed(command("show", "last", "--format", "json").json())
    full = completed(command("show", "last", "--format", "json", "--full").json())

    assert LAST not in stored["result"]
    assert stored["stored"]["size"] > len(TEXT)
    assert full == {**stored, "result": run["tool_calls"][0]["result"]}


def test_the_context_is_what_the_model_was_given(command: Command, run: Any) -> None:
    shown = command("context", "last", "--format", "json").json()

    assert shown["matches"] is True
    assert shown["request"]["messages"][-1]["result"] == run["tool_calls"][0]["result"]
    assert LAST in command("context", "last").out


def test_a_page_and_another_history_have_all_of_it(command: Command, run: Any) -> None:
    assert LAST in command("export", "last", "--format", "md").out

    command("whatif", "last", "--model", "scripted:model.json")

    assert LAST in command("context", "last").out


def test_replay_finds_no_divergence(command: Command, run: Any) -> None:
    assert command("replay", "last").code == 0


def test_a_content_that_is_gone_is_told_in_one_line(
    command: Command, run: Any, cli_dsn: str
) -> None:
    sha256 = completed(command("show", "last", "--format", "json").json())["stored"]["sha256"]
    gone = f"agent_result:v0-{sha256}"
    with psycopg.connect(cli_dsn) as connection:
        connection.execute("DELETE FROM message_store.messages WHERE stream_name = %s", [gone])

    assert command("show", "last").code == 0
    for arguments in (("show", "last", "--full"), ("context", "last")):
        ended = command(*arguments)
        assert ended.code == 1
        (line,) = ended.err.splitlines()
        assert line.endswith(
            f"a result of a tool of this thread is not in the store (stream {gone})"
        )
