"""fork, rewind, replay, whatif, diff, export, import: as they are typed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, LiteralString

import pytest

from messagedb_agent.engine.history import read_history
from messagedb_agent.events import (
    Event,
    LLMCallStarted,
    LLMResponseReceived,
    SessionStarted,
    ToolCall,
    ToolExecutionCompleted,
    ToolExecutionRequested,
    ToolExecutionStarted,
    UserMessageAdded,
)
from messagedb_agent.projections import (
    THREAD_STATE,
    project_to_llm_context,
    project_to_session_state,
)
from messagedb_agent.store.client import MessageDBClient
from tests.cli.conftest import Command, Past

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63000100000500010d0a2db40000000049454e44ae426082"
)


def model(tmp_path: Path, name: str, *answers: str, call: bool = True) -> str:
    """A model that looks at the clock of a file first, and then says this."""
    made: list[dict[str, Any]] = [
        {"tool_calls": [{"name": "calculate", "arguments": {"expression": "6*7"}}]}
    ]
    steps = [*(made if call else []), *({"text": answer} for answer in answers)]
    (tmp_path / name).write_text(json.dumps({"steps": steps}))
    return f"scripted:{name}"


def kinds(command: Command, thread: str) -> list[str]:
    return [each["type"] for each in command("show", thread, "--format", "json").json()]


@pytest.fixture
def origin(command: Command, tmp_path: Path) -> str:
    """0 started, 1 user, 2 configured, 3 claim, 4 response, 5 claim, 6 42, 7 claim, 8 answer."""
    begun = command("start", "Six by seven?", "--thread-id", "origin",
                    "--model", model(tmp_path, "one.json", "It is 42."))  # fmt: skip
    assert begun.code == 0, begun.err
    return "origin"


@pytest.fixture
def store(cli_dsn: str) -> Iterator[MessageDBClient]:
    with MessageDBClient({"dbname": cli_dsn}) as client:
        yield client


def test_a_fork_before_the_tool_call_with_another_model(
    command: Command, origin: str, tmp_path: Path
) -> None:
    other = model(tmp_path, "two.json", "Forty-two.", call=False)

    forked = command("fork", origin, "--at", "1", "--model", other, "--thread-id", "fork")
    gone_on = command("continue", "fork")

    assert (forked.code, forked.out) == (0, "fork\n")
    assert (gone_on.code, gone_on.out) == (0, "Forty-two.\n")
    assert kinds(command, "fork")[:3] == ["ThreadForked", "AgentConfigured", "LLMCallRequested"]


def test_a_fork_keeps_prompt_and_tools_for_the_other_model(
    command: Command, origin: str, tmp_path: Path
) -> None:
    other = model(tmp_path, "two.json", "x")
    command("fork", origin, "--model", other, "--thread-id", "fork")

    before, after = (
        next(each["data"] for each in events if each["type"] == "AgentConfigured")
        for events in (
            command("show", thread, "--format", "json").json() for thread in (origin, "fork")
        )
    )
    assert (before.pop("model_name"), after.pop("model_name")) == ("scripted:one.json", other)
    assert before.pop("sha256") != after.pop("sha256")
    assert before == after


def test_a_fork_to_a_model_that_nobody_knows_writes_nothing(command: Command, origin: str) -> None:
    forked = command("fork", origin, "--model", "nothing:x", "--thread-id", "fork")

    assert forked.code != 0
    assert command("show", "fork").code == 2


def test_an_edited_fork_begins_with_what_the_editor_left(
    command: Command, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/Six/Eight/")

    command("fork", origin, "--edit", "--thread-id", "fork")

    events = command("show", "fork", "--format", "json").json()
    said = [each["data"]["message"] for each in events if each["type"] == "UserMessageAdded"]
    assert said == ["Eight by seven?"]


def test_a_question_that_a_fork_shares_can_be_edited_and_asked_again(
    command: Command, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/Six/Eight/")
    command("fork", origin, "--thread-id", "fork")

    edited = command("fork", "fork", "--edit", "--thread-id", "edited")
    asked = command("whatif", "fork", "--model", model(tmp_path, "two.json", "Forty-two."))

    assert (edited.code, asked.code) == (0, 0)
    assert "Eight by seven?" in command("show", "edited").out
    assert "Six" not in command("show", "edited").out
    assert "Forty-two." in asked.out


def test_whatif_shows_both_histories_beside_each_other(
    command: Command, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "83")
    other = model(tmp_path, "two.json", "Forty-two.")

    done = command("whatif", origin, "--model", other)

    assert done.code == 0
    assert f"{'assistant: It is 42.':40} | assistant: Forty-two." in done.out.splitlines()
    assert "no result" not in done.out, "the recorded result was used"


def test_diff_tells_whether_two_threads_say_the_same(
    command: Command, origin: str, tmp_path: Path
) -> None:
    command("fork", origin, "--thread-id", "same")
    command("fork", origin, "--at", "1", "--thread-id", "shorter")

    same, shorter = command("diff", origin, "same"), command("diff", origin, "shorter")

    assert (same.code, same.out, same.err) == (0, "", "both say the same\n")
    assert (shorter.code, "-assistant: It is 42." in shorter.out.splitlines()) == (1, True)
    assert " < " not in shorter.out
    assert " <" in command("diff", origin, "shorter", "-y").out


@pytest.mark.parametrize("at", ["4", "8"])
def test_every_thread_replays_without_divergence(
    command: Command, origin: str, at: str, past: Past
) -> None:
    command("fork", origin, "--at", at, "--thread-id", "fork", "--message", "What is 2 + 2?")
    command("continue", "fork", "--model", "offline")
    command("message", origin, "What is 1 + 1?", "--model", "offline")
    command("rewind", origin, "--to", "8")
    command("message", origin, "What is 3 + 3?", "--model", "offline")
    past(EARLIER)

    assert command("replay", "fork").code == 0
    assert command("replay", origin).code == 0
    assert "3 threads, 0 with problems" in command("doctor", "--replay").out


EARLIER: tuple[Event, ...] = (
    SessionStarted(thread_id="t"),
    UserMessageAdded(message="hi"),
    LLMCallStarted(model_name="m"),
    LLMResponseReceived(response_text="", tool_calls=(ToolCall("a", "look", {}),)),
    ToolExecutionRequested(tool_name="look", tool_id="a", tool_index=0),
    ToolExecutionStarted(tool_name="look", tool_id="a", tool_index=0),
    ToolExecutionCompleted(tool_name="look", result=1, tool_id="a", tool_index=0),
    LLMCallStarted(model_name="m"),
    LLMResponseReceived(response_text="one"),
)
"""A thread as earlier programs wrote it."""


def test_doctor_names_a_thread_whose_decisions_differ(command: Command, past: Past) -> None:
    odd = past((*EARLIER, ToolExecutionRequested(tool_name="look", tool_call_id="nobody")))

    done = command("doctor", "--replay")

    assert done.code == 1
    assert f"{odd}: event 9, ToolExecutionRequested: no open tool call" in done.out


def projected(store: MessageDBClient, stream_name: str) -> list[str]:
    events = [record.event for record in read_history(store, stream_name)]
    folds = (THREAD_STATE.fold, project_to_llm_context, project_to_session_state)
    return [repr(fold(events)) for fold in folds]


def test_an_imported_thread_is_the_same_byte_for_byte(
    command: Command, store: MessageDBClient, category: str, tmp_path: Path, origin: str
) -> None:
    (tmp_path / "pixel.png").write_bytes(PIXEL)
    command("message", origin, "What is this?", "--attach", "pixel.png", "--model", "offline")
    command("fork", origin, "--thread-id", "fork", "--message", "And?")
    command("export", "fork", "-o", "out.jsonl")
    stream_name = f"{category}:v0-fork"
    projections = projected(store, stream_name)
    stored = rows(store, category)
    with store.connection() as connection:
        connection.execute(f"DELETE FROM message_store.messages WHERE {MINE}", mine(category))

    imported = command("import", "out.jsonl")

    assert (imported.code, imported.out) == (0, "fork\n")
    assert projected(store, stream_name) == projections
    assert rows(store, category) == stored
    assert any("agent_blob" in name for name, *_ in stored)
    command("export", "fork", "-o", "again.jsonl")
    assert without_times(tmp_path / "again.jsonl") == without_times(tmp_path / "out.jsonl")


MINE: LiteralString = "(stream_name LIKE %s OR stream_name = %s)"


def mine(category: str) -> tuple[str, str]:
    return f"{category}:%", f"agent_blob:v0-{hashlib.sha256(PIXEL).hexdigest()}"


def rows(store: MessageDBClient, category: str) -> list[tuple[Any, ...]]:
    """All that this test stored but for times, and for where it came from."""
    with store.connection() as connection:
        return connection.execute(
            "SELECT stream_name, position, id, type, data::text, "
            "(coalesce(metadata, '{}') - 'importedId' - 'importedTime')::text "
            f"FROM message_store.messages WHERE {MINE} ORDER BY stream_name, position",
            mine(category),
        ).fetchall()


def without_times(file: Path) -> list[Any]:
    lines = [json.loads(line) for line in file.read_text().splitlines()[1:]]
    for line in lines:
        del line["time"]
        metadata = json.loads(line.pop("metadata") or "{}")
        line["metadata"] = {k: v for k, v in metadata.items() if not k.startswith("imported")}
    return lines


def test_what_was_changed_after_the_export_is_not_imported(
    command: Command, origin: str, tmp_path: Path
) -> None:
    command("export", origin, "-o", "out.jsonl")
    text = (tmp_path / "out.jsonl").read_text()
    (tmp_path / "out.jsonl").write_text(text.replace("It is 42.", "It is 43."))

    done = command("import", "out.jsonl", "--thread-id", "copy")

    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "changed or cut off" in done.err
    assert command("show", "copy").code == 2


def test_a_fork_says_that_its_origin_is_gone_and_lives_again_with_it(
    command: Command, store: MessageDBClient, category: str, origin: str
) -> None:
    command("fork", origin, "--thread-id", "fork")
    command("export", origin, "-o", "archive.jsonl")
    whole = command("show", "fork").out
    with store.connection() as connection:
        connection.execute(
            "DELETE FROM message_store.messages WHERE stream_name = %s", (f"{category}:v0-origin",)
        )

    gone = command("show", "fork")
    command("import", "archive.jsonl")

    assert gone.err.count("\n") == 1
    assert "v0-origin, from which this thread was forked, is missing" in gone.err
    assert untimed(command("show", "fork").out) == untimed(whole)


def test_an_imported_thread_is_shown_with_the_times_at_which_it_happened(
    command: Command, store: MessageDBClient, category: str, origin: str
) -> None:
    with store.connection() as connection:
        connection.execute(
            "UPDATE message_store.messages SET time = '2021-02-03 04:05:06'::timestamp "
            "+ position * interval '1 s' WHERE stream_name = %s",
            (f"{category}:v0-origin",),
        )
    forms = ((), ("--events",), ("--full",))
    before = [command("show", origin, *form).out for form in forms]
    page = command("export", origin, "--format", "md").out

    command("export", origin, "-o", "one.jsonl")
    command("import", "one.jsonl", "--thread-id", "second")
    command("export", "second", "-o", "two.jsonl")
    command("import", "two.jsonl", "--thread-id", "third")

    assert "2021-02-03 04:05 to 2021-02-03 04:05" in before[0]
    for name in ("second", "third"):
        shown = [command("show", name, *form).out.replace(name, origin) for form in forms]
        assert shown == before
        assert command("export", name, "--format", "md").out.replace(name, origin) == page


def test_a_question_is_edited_with_its_files(
    command: Command,
    store: MessageDBClient,
    category: str,
    origin: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("pixel.png").write_bytes(PIXEL)
    command("message", origin, "What is this?", "--attach", "pixel.png", "--model", "offline")
    monkeypatch.setenv("EDITOR", "sed -i s/this/that/")

    command("fork", origin, "--edit", "--thread-id", "edited")

    events = [record.event for record in store.read(f"{category}:v0-edited")]
    (said,) = (event for event in events if isinstance(event, UserMessageAdded))
    assert said.message.strip() == "What is that?"
    assert [block["name"] for block in said.content or ()] == ["pixel.png"]


def untimed(text: str) -> str:
    return re.sub(r"\d\d:\d\d(:\d\d)?|[\d.]+ ms", "", text)
