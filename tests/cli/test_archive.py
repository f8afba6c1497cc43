"""archive, unarchive, list --archived, and other commands that meet an archived thread."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from messagedb_agent.events import LLMResponseReceived, SessionStarted, UserMessageAdded
from messagedb_agent.events.base import Event
from messagedb_agent.events.system import SessionCompleted, ThreadForked
from tests.cli.conftest import Command, Past

USAGE = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}


def talk(about: str) -> list[Event]:
    return [
        SessionStarted(thread_id="t"),
        UserMessageAdded(message=f"What about {about}?"),
        LLMResponseReceived(
            response_text=f"I know of {about}.", model_name="gpt-5", token_usage=USAGE
        ),
    ]


@pytest.fixture
def archived(command: Command, past: Past) -> str:
    thread = past(talk("apples"))
    assert command("archive", thread).out == f"{thread}\n"
    return thread


def ids(command: Command, *options: str) -> list[str]:
    return [each["thread_id"] for each in command("list", "--json", *options).json()]


def test_an_archived_thread_is_listed_apart(command: Command, past: Past, archived: str) -> None:
    other = past(talk("pears"))

    assert ids(command) == [other]
    assert ids(command, "--archived") == [archived]
    assert "What about apples?" in command("list", "--archived").out


@pytest.mark.usefixtures("archived")
def test_where_all_threads_are_archived_there_is_no_last_one_and_that_is_said(
    command: Command,
) -> None:
    ended = command("message", "last", "hi")

    assert ended.code == 2
    assert "are archived; `./cli unarchive`" in ended.err


def test_what_is_listed_of_an_archived_thread_is_what_was_listed_before(
    command: Command, past: Past
) -> None:
    thread = past([*talk("apples"), SessionCompleted(completion_reason="success")])
    before = command("list", "--json").json()

    command("archive", thread)

    assert command("list", "--json", "--archived").json() == before


def test_archived_threads_are_found_by_text_and_status(
    command: Command, past: Past, archived: str
) -> None:
    past(talk("apples"))

    assert ids(command, "--archived", "--search", "APPLES") == [archived]
    assert ids(command, "--archived", "--search", "pears") == []
    assert ids(command, "--archived", "--status", "active") == [archived]
    assert ids(command, "--archived", "--status", "completed") == []


def test_a_fork_of_an_archived_thread_keeps_its_title(
    command: Command, past: Past, archived: str
) -> None:
    fork = command("fork", archived).out.strip()

    assert command("list", "--json").json()[0]["title"] == "What about apples?"
    command("archive", fork, "--force")
    assert command("list", "--json", "--archived").json()[0]["title"] == "What about apples?"


@pytest.mark.parametrize(
    "shown",
    [
        ("show",),
        ("show", "--events"),
        ("show", "--format", "json", "--full"),
        ("export",),
        ("export", "--format", "md"),
        ("replay",),
    ],
)
def test_what_reads_a_thread_reads_an_archived_one(
    command: Command, past: Past, shown: tuple[str, ...]
) -> None:
    thread = past(talk("apples"))
    name, *options = shown
    before = command(name, thread, *options)

    command("archive", thread)

    assert command(name, thread[:10], *options) == before
    assert before.code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("message", "more"),
        ("continue",),
        ("end",),
        ("rename", "fruit"),
        ("rewind", "--to", "0"),
        ("interrupt",),
        ("archive",),
        ("show", "--follow"),
        ("chat",),
    ],
)
def test_what_writes_to_a_thread_names_the_command_that_brings_it_back(
    command: Command, archived: str, arguments: tuple[str, ...]
) -> None:
    name, *rest = arguments

    ended = command(name, archived[:8], *rest)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        f"messagedb-agent: thread {archived} is archived; "
        f"`./cli unarchive {archived}` brings it back\n"
    )


def test_no_thread_begins_under_the_id_of_an_archived_one(command: Command, archived: str) -> None:
    begun = command("start", "What is 1 + 1?", "--thread-id", archived)
    forked = command("fork", archived, "--thread-id", archived)

    assert begun.code == forked.code == 2
    assert begun.err == forked.err
    assert "is archived" in begun.err
    assert ids(command) == []


def test_a_thread_goes_on_when_it_was_brought_back(command: Command, archived: str) -> None:
    assert command("unarchive", archived[:8]).out == f"{archived}\n"

    assert command("message", archived, "What is 2 + 2?").code == 0
    assert ids(command) == [archived]
    assert ids(command, "--archived") == []


def test_threads_are_archived_by_age_and_status(command: Command, past: Past, cli_dsn: str) -> None:
    ended = [SessionCompleted(completion_reason="success")]
    old, young, open_ = past([*talk("a"), *ended]), past([*talk("b"), *ended]), past(talk("c"))
    days_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=100)
    with psycopg.connect(cli_dsn) as connection:
        connection.execute(
            "UPDATE message_store.messages SET time = %s WHERE stream_name LIKE ANY (%s)",
            (days_ago, [f"%{old}", f"%{open_}"]),
        )
    wanted = ("--older-than", "90d", "--status", "completed")

    assert command("archive", *wanted, "--dry-run").out == f"{old}\n"
    assert set(ids(command)) == {old, young, open_}
    assert command("archive", *wanted).out == f"{old}\n"
    assert set(ids(command)) == {young, open_}
    assert command("archive", *wanted).err == "no such thread\n"
    assert command("archive", "--older-than", "90d").out == f"{open_}\n"


def test_of_many_threads_those_that_have_to_stay_are_named(command: Command, past: Past) -> None:
    at_rest, busy = past(talk("apples")), past(talk("pears")[:2])
    reason = f"thread {busy} is not archived: its turn is not over; `--force` archives it\n"

    picked = command("archive", "--status", "active")
    named = command("archive", busy)

    assert (picked.code, picked.out) == (0, f"{at_rest}\n")
    assert picked.err.endswith(reason)
    assert (named.code, named.out) == (1, "")
    assert "would not be archived" in command("archive", busy, "--dry-run").err
    assert command("archive", busy, "--force").code == 0


@pytest.mark.parametrize("arguments", [(), ("last", "--older-than", "1d")])
def test_either_threads_or_conditions_are_given(
    command: Command, arguments: tuple[str, ...]
) -> None:
    ended = command("archive", *arguments)

    assert ended.code == 2
    assert "--older-than and --status" in ended.err


def test_what_is_not_archived_is_not_brought_back(command: Command, past: Past) -> None:
    ended = command("unarchive", past(talk("apples")))

    assert ended.code == 2
    assert "`./cli list --archived`" in ended.err


def test_sums_count_archived_threads(command: Command, past: Past) -> None:
    threads = [past(talk(about)) for about in ("apples", "pears")]
    before = {
        key: command(*key.split()).json()
        for key in (
            "usage --format json",
            "usage --by thread --format json",
            "usage --by day --format json",
            "stats --format json",
        )
    }

    command("archive", threads[0])

    for key, value in before.items():
        assert sorted(json.dumps(command(*key.split()).json())) == sorted(json.dumps(value))


def test_views_have_archived_threads_and_say_which_they_are(
    command: Command, past: Past, category: str, cli_dsn: str
) -> None:
    archived, other = past(talk("apples")), past(talk("pears"))
    command("archive", archived)

    with psycopg.connect(cli_dsn) as connection:
        threads = connection.execute(
            "SELECT thread_id, title, events, archived FROM messagedb_agent.threads "
            "WHERE category = %s ORDER BY started_at",
            (f"{category}:v0",),
        ).fetchall()
        answers = connection.execute(
            "SELECT count(*), sum(total_tokens) FROM messagedb_agent.usage WHERE category = %s",
            (f"{category}:v0",),
        ).fetchall()

    assert threads == [
        (archived, "What about apples?", 3, True),
        (other, "What about pears?", 3, False),
    ]
    assert answers == [(2, 2200)]


def test_doctor_replays_archived_threads(command: Command, past: Past, archived: str) -> None:
    broken = past([ThreadForked(origin_stream_name="nowhere:v0-x", origin_position=0)])
    command("archive", broken, "--force")

    ended = command("doctor", "--replay")

    assert "2 threads, 1 with problems" in ended.out


def test_threads_in_shards_are_archived_like_others(command: Command) -> None:
    command("start", "What is 6 * 7?", "--thread-id", "abc", "--shards", "16", "--model", "offline")

    assert command("archive", "a").out == "abc\n"
    assert ids(command, "--archived") == ["abc"]
    assert "6 * 7 = 42" in command("show", "ab").out
    assert command("unarchive", "abc").code == 0
    assert ids(command) == ["abc"]


def test_a_list_of_archived_threads_where_nothing_is_archived(command: Command) -> None:
    assert "`./cli archive`" in command("list", "--archived").err
