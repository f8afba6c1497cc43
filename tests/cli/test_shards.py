"""Threads over several shards: every command finds them, whatever `--shards` says now."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from messagedb_agent.engine.session import start_session
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.shards import shard_of
from tests.cli.conftest import Command

JSON = ("--format", "json")
IDS = ("ada", "bob", "cyd", "dan", "eve")
FOUR = ("--shards", "4")


@pytest.fixture
def threads(command: Command, category: str) -> dict[str, str]:
    """Threads that began with one shard, with 4 and with 16; their streams."""
    streams = {}
    for place, thread_id in enumerate(IDS):
        shards = ((), FOUR, ("--shards", "16"))[place % 3]
        ended = command("start", f"I am {thread_id}", "--thread-id", thread_id, *shards, *JSON)
        assert ended.code == 0, ended.err
        streams[thread_id] = ended.json()["stream_name"]
    number = shard_of("bob", 4)
    assert streams["ada"] == f"{category}:v0-ada"
    assert streams["bob"] == f"{category}+{number:02}:v0-bob"
    return streams


def test_the_doctor_tells_of_an_id_that_two_threads_have(
    command: Command, category: str, cli_dsn: str
) -> None:
    command("start", "hello", "--thread-id", "ada", *FOUR)
    assert "shards      1 besides" in command("doctor").out
    # What a check before the first event can't see: another process, with another number.
    with MessageDBClient({"dbname": cli_dsn}) as store:
        start_session(store, "hello", thread_id="ada", category=category)

    ended = command("doctor")
    assert ended.code == 1
    assert "several threads each are called ada" in ended.out


def test_without_shards_names_are_what_they_were(command: Command, category: str) -> None:
    for options in ((), ("--shards", "1")):
        ended = command("start", "hello", *options, *JSON)
        assert ended.json()["stream_name"].startswith(f"{category}:v0-")


def test_generated_ids_are_spread(command: Command, category: str) -> None:
    said = command("start", "hello", *FOUR, *JSON).json()

    number = shard_of(said["thread_id"], 4)
    assert said["stream_name"] == f"{category}+{number:02}:v0-{said['thread_id']}"


def test_the_environment_and_the_option_say_how_many(
    command: Command, category: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGEDB_AGENT_SHARDS", "100")
    by_environment = command("start", "hello", "--thread-id", "thread", *JSON)
    by_option = command("start", "hello", "--thread-id", "a", "--shards", "1", *JSON)

    assert by_environment.json()["stream_name"] == f"{category}+50:v0-thread"
    assert by_option.json()["stream_name"] == f"{category}:v0-a"


@pytest.mark.parametrize("number", ["0", "101", "-1", "four", "1.5"])
def test_a_number_that_can_not_be_is_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, number: str
) -> None:
    by_option = command("list", f"--shards={number}")
    monkeypatch.setenv("MESSAGEDB_AGENT_SHARDS", number)
    by_environment = command("list")

    assert (by_option.code, by_environment.code) == (2, 2)
    assert "--shards" in by_option.err
    assert "MESSAGEDB_AGENT_SHARDS" in by_environment.err
    assert by_environment.err.count("\n") == 1


@pytest.mark.parametrize("shards", [(), FOUR, ("--shards", "9")], ids=str)
def test_threads_are_listed_found_and_shown_wherever_they_began(
    command: Command, threads: dict[str, str], shards: tuple[str, ...]
) -> None:
    listed = command("list", "--json", *shards).json()
    assert [each["stream_name"] for each in listed] == [threads[name] for name in reversed(IDS)]
    found = command("list", "--search", "i am bob", "--json", *shards).json()
    assert [each["thread_id"] for each in found] == ["bob"]
    assert len(command("list", "--limit", "2", *shards).out.splitlines()) == 3
    for name in IDS:
        for given in (name, name[:2]):
            assert f"I am {name}" in command("show", given, *shards).out
    assert "I am eve" in command("show", "last", *shards).out


def test_threads_go_on_where_they_are_with_another_number(
    command: Command, threads: dict[str, str]
) -> None:
    for name in IDS:
        said = command("message", name, "What is 6 * 7?", "--shards", "7", *JSON).json()
        assert said["stream_name"] == threads[name]
        assert command("continue", name, *JSON).json()["stream_name"] == threads[name]
    assert command("rename", "bob", "Robert").code == 0
    assert command("end", "bob", *FOUR).code == 0

    (found,) = command("list", "--status", "completed", "--json").json()
    assert (found["thread_id"], found["title"]) == ("bob", "Robert")


def test_a_call_is_approved_in_whatever_shard_it_waits(
    command: Command, tmp_path: Path, category: str
) -> None:
    call = {"name": "write_file", "arguments": {"path": "out.txt", "content": "done"}}
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"steps": [{"tool_calls": [call]}, {"text": "Written."}]}))
    model = ("--model", f"scripted:{script}")
    begun = command("start", "write it", "--thread-id", "a", *FOUR, *model, *JSON)
    assert begun.code == 3
    assert begun.json()["stream_name"] == f"{category}+02:v0-a"

    assert command("approve", "a").code == 0
    assert command("continue", "a", *JSON).json()["response"] == "Written."
    assert (tmp_path / "out.txt").read_text() == "done"


def test_an_id_is_taken_in_all_shards(
    command: Command, threads: dict[str, str], tmp_path: Path
) -> None:
    exported = tmp_path / "ada.jsonl"
    assert command("export", "ada", "-o", str(exported)).code == 0
    for arguments in (
        ("start", "again", "--thread-id", "ada"),
        ("fork", "bob", "--thread-id", "ada"),
        ("import", str(exported), "--thread-id", "bob"),
    ):
        for shards in ((), FOUR, ("--shards", "16")):
            ended = command(*arguments, *shards)
            assert (ended.code, ended.out, ended.err.count("\n")) == (2, "", 1)
            assert "exists already" in ended.err
    assert len(command("list", "--json").json()) == len(threads)


def test_a_fork_and_an_import_may_be_in_another_shard(
    command: Command, threads: dict[str, str], category: str, tmp_path: Path
) -> None:
    assert command("fork", "ada", "--thread-id", "a", "--message", "And now?", *FOUR).code == 0
    said = command("continue", "a", *JSON).json()
    assert said["stream_name"] == f"{category}+02:v0-a"
    assert "I am ada" in command("show", "a").out

    exported = tmp_path / "a.jsonl"
    command("export", "a", "-o", str(exported))
    ended = command("import", str(exported), "--thread-id", "thread", "--shards", "100")
    assert ended.out == "thread\n"
    assert "And now?" in command("show", "thread").out
    listed = command("list", "--json").json()
    assert listed[0]["stream_name"] == f"{category}+50:v0-thread"
    assert len(listed) == len(threads) + 2


def test_sums_and_checks_are_over_all_shards(command: Command, threads: dict[str, str]) -> None:
    usage = command("usage", "--by", "thread", *JSON).json()
    assert {row["thread_id"] for row in usage["rows"]} == set(threads)
    (day,) = command("stats", *JSON).json()
    assert day["model_calls"] == len(threads)
    assert f"{len(threads)} threads, 0 with problems" in command("doctor", "--replay").out
    offered = command("completion", "threads").out
    assert all(f"\n{name}\t" in offered for name in threads)
