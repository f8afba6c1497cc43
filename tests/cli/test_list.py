"""list: a table for people, an array for programs, and the threads that were asked for."""

from __future__ import annotations

import psycopg
import pytest

from messagedb_agent.cli.main import main
from messagedb_agent.events import (
    LLMCallRequested,
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    ThreadRenamed,
    ToolApprovalRequested,
    ToolCall,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.store.summaries import keeping
from tests.cli.conftest import Command, Past

STARTED = SessionStarted(thread_id="t")


def asked(message: str) -> tuple[Event, ...]:
    return (STARTED, UserMessageAdded(message=message))


def answered(text: str) -> tuple[Event, ...]:
    return (*asked("so?"), LLMCallRequested(), LLMResponseReceived(response_text=text))


WAITING = (
    *asked("write it"),
    LLMCallRequested(),
    LLMResponseReceived(tool_calls=(ToolCall("a", "write", {}),)),
    ToolApprovalRequested(tool_name="write", tool_call_id="a"),
)


def test_a_title_is_the_name_or_else_the_first_message(command: Command, past: Past) -> None:
    past(asked("Where\nis \x1b[31mit" + "?" * 100))
    past((*asked("no title"), ThreadRenamed(title="old"), ThreadRenamed(title="The title")))

    head, named, unnamed = command("list").out.splitlines()

    assert head.endswith("TITLE")
    assert named.endswith("  The title")
    assert unnamed.endswith(f"  Where is \\x1b[31mit{'?' * 20}…")


def test_the_table_tells_what_each_thread_cost(command: Command, past: Past) -> None:
    used = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}
    for model in ("claude-sonnet-4-5@20250929", "nobody-knows", "offline"):
        answer = LLMResponseReceived(response_text="x", model_name=model, token_usage=used)
        past((*asked(model), answer))

    head, free, unknown, paid = command("list").out.splitlines()

    end = head.index("COST") + len("COST")
    assert [line[:end].split()[-1] for line in (free, unknown, paid)] == ["0", "?", "$0.0045"]


def test_a_fork_is_called_what_its_origin_was_asked(command: Command) -> None:
    command("start", "What is 1 + 1?", "--thread-id", "origin")
    command("fork", "origin", "--thread-id", "fork")

    fork = command("list").out.splitlines()[1]

    assert fork.startswith("fork ")
    assert fork.endswith("  What is 1 + 1?")


def test_json_has_the_keys_that_programs_know(command: Command, past: Past) -> None:
    thread_id = past(WAITING)

    (found,) = command("list", "--json").json()

    assert found == command("list", "--format", "json").json()[0]
    assert list(found)[:3] == ["thread_id", "stream_name", "status"]
    assert (found["thread_id"], found["status"]) == (thread_id, "waiting")
    assert (found["title"], found["pending_approvals"]) == ("write it", 1)


def test_only_threads_with_a_status(command: Command, past: Past) -> None:
    waiting = past(WAITING)
    for number in range(9):
        past((*asked(str(number)), SessionCompleted()))

    # More than one look is needed until the limit is met.
    found = command("list", "--status", "waiting", "--limit", "1", "--json").json()

    assert [thread["thread_id"] for thread in found] == [waiting]
    assert len(command("list", "--status", "completed", "--limit", "4", "--json").json()) == 4
    assert command("list", "--status", "failed").err == "no such thread\n"


@pytest.mark.parametrize("text", ["ANSWER 42%", "question_1", "named", r"back\slash"])
def test_only_threads_in_which_something_was_said(command: Command, past: Past, text: str) -> None:
    threads = {
        "ANSWER 42%": past(answered("the answer 42% of the time")),
        "question_1": past(asked("a question_1")),
        "named": past((*asked("x"), ThreadRenamed(title="Well named"))),
        r"back\slash": past(asked(r"a back\slash")),
    }
    past(asked("a question 1, the answer 42 and a backslash"))

    found = command("list", "--search", text, "--json").json()

    assert [thread["thread_id"] for thread in found] == [threads[text]]


def test_search_and_status_and_limit_go_together(command: Command, past: Past) -> None:
    past(asked("apple"))
    done = [past((*asked(f"apple {number}"), SessionCompleted())) for number in range(3)]
    past(WAITING)

    found = command(
        "list", "--search", "apple", "--status", "completed", "--limit", "2", "--json"
    ).json()

    assert [thread["thread_id"] for thread in found] == [done[2], done[1]]


def test_what_searches_use_can_be_built_anew(
    command: Command, past: Past, category: str, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = past(asked("apple"))
    command("list", "--search", "apple")

    # The arguments of `db` end with those for psql, so no common options follow.
    assert main(["--category", category, "db", "index"]) == 0

    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "the index of `list --search` and `list --status` was built anew\n"
    found = command("list", "--search", "apple", "--json").json()
    assert [each["thread_id"] for each in found] == [thread]


def test_what_was_kept_of_threads_is_forgotten_when_it_is_built_anew(
    command: Command, past: Past, category: str, cli_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEEP_EVENTS", 1)
    thread = past((*asked("apple"), ThreadRenamed(title="fig")))

    def title() -> str:
        (listed,) = command("list", "--json").json()
        return str(listed["title"])

    assert title() == "fig"
    with psycopg.connect(cli_dsn, autocommit=True) as own:
        own.execute(
            "UPDATE message_store.messages SET data = jsonb_build_object('title', 'plum') "
            "WHERE stream_name = %s AND type = 'ThreadRenamed'",
            (f"{category}:v0-{thread}",),
        )
    assert title() == "fig"

    assert main(["--category", category, "db", "index"]) == 0

    assert title() == "plum"


def test_on_a_narrow_terminal_ids_are_shortened_and_lines_fit(
    command: Command, past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread_id = past(asked("日本" * 40))
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("NO_COLOR", "1")

    _, line = command("list", terminal=True).out.splitlines()

    assert line.startswith(f"{thread_id[:8]}  ")
    assert len(line) + line.count("日") + line.count("本") <= 90


def test_what_can_not_be_searched_for_is_one_line(command: Command) -> None:
    ended = command("list", "--search", "a\0b")

    assert (ended.code, ended.err.count("\n")) == (2, 1)
