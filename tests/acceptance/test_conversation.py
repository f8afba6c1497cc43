"""Asking, going on, reading: what everybody does first."""

from __future__ import annotations

import json
import subprocess

from tests.acceptance.conftest import Cli

TOOL_TURN = [
    "SessionStarted",
    "UserMessageAdded",
    "AgentConfigured",
    "LLMCallRequested",
    "LLMResponseReceived",
    "ToolExecutionRequested",
    "ToolExecutionCompleted",
    "LLMCallRequested",
    "LLMResponseReceived",
]


def test_a_question_is_answered_with_the_help_of_a_tool(cli: Cli) -> None:
    ended = cli("start", "What is 6 * 7?")

    assert ended.code == 0
    assert "42" in ended.out
    assert cli.types("last") == TOOL_TURN


def test_the_answer_alone_goes_to_stdout(cli: Cli) -> None:
    ended = cli("start", "What is 6 * 7?")

    assert ended.out.startswith("6 * 7 = 42\n")
    assert "calculate" in ended.err
    assert "\x1b" not in ended.out + ended.err


def test_json_is_one_object_with_the_promised_keys(cli: Cli) -> None:
    result = cli.ask("start", "What is 6 * 7?")

    assert list(result) == [
        "thread_id",
        "stream_name",
        "status",
        "stop",
        "response",
        "tool_calls",
        "usage",
        "pending_approvals",
        "error",
    ]
    assert result["stream_name"] == f"agent:v0-{result['thread_id']}"
    assert (result["status"], result["stop"], result["error"]) == ("active", "done", None)
    assert [(call["name"], call["result"]) for call in result["tool_calls"]] == [("calculate", 42)]


def test_jsonl_is_one_object_for_each_recorded_event(cli: Cli) -> None:
    ended = cli("start", "What is 6 * 7?", "--format", "jsonl")

    printed = [json.loads(line) for line in ended.out.splitlines()]
    assert printed == cli.events("last")


def test_a_thread_goes_on_where_it_was(cli: Cli) -> None:
    thread = cli.ask("start", "What is 6 * 7?")["thread_id"]

    again = cli.ask("message", thread, "What is 7 * 7?")

    assert "49" in again["response"]
    assert cli.types(thread) == [*TOOL_TURN, "UserMessageAdded", *TOOL_TURN[3:]]


def test_show_gives_position_and_data_of_each_event(cli: Cli) -> None:
    cli("start", "héllo")

    events = cli.events("last")

    assert [event["position"] for event in events] == list(range(len(events)))
    assert list(events[1]) == ["id", "type", "position", "global_position", "time", "data"]
    assert events[1]["data"]["message"] == "héllo"


def test_full_adds_the_metadata(cli: Cli) -> None:
    thread = cli.ask("start", "What is 6 * 7?")["thread_id"]

    requested = cli.events(thread, "--full")[5]

    metadata = requested["metadata"]
    assert metadata["causationMessagePosition"] == 4
    assert metadata["correlationStreamName"] == f"agent:v0-{thread}"
    assert metadata["tool_call_id"] == metadata["tool_id"]


def test_list_counts_what_happened_in_each_thread(cli: Cli) -> None:
    first = cli.ask("start", "What is 6 * 7?")["thread_id"]
    second = cli.ask("start", "hello")["thread_id"]

    listed = cli("list", "--format", "json").json()

    assert [thread["thread_id"] for thread in listed] == [second, first]
    counts = listed[1]
    assert counts["message_count"] == 1
    assert counts["llm_call_count"] == 2
    assert counts["tool_call_count"] == 1
    assert counts["error_count"] == 0
    assert counts["end_time"] is None
    assert counts["start_time"] <= counts["last_activity"]


def test_a_thread_is_found_by_a_unique_beginning_of_its_id(cli: Cli) -> None:
    cli.ask("start", "one", "--thread-id", "alpha-1")
    cli.ask("start", "two", "--thread-id", "alpha-2")

    assert cli("show", "alpha-2").code == 0
    ambiguous = cli("show", "alpha")
    assert ambiguous.code == 2
    assert "alpha-1" in ambiguous.err


def test_an_exact_id_wins_over_longer_ones(cli: Cli) -> None:
    cli.ask("start", "one", "--thread-id", "alpha")
    cli.ask("start", "two", "--thread-id", "alpha-2")

    assert cli.events("alpha")[1]["data"]["message"] == "one"


def test_a_reader_that_leaves_early_costs_no_event(cli: Cli) -> None:
    started = cli.start("start", "What is 6 * 7?", "--format", "jsonl")
    head = subprocess.run(["head", "-1"], stdin=started.stdout, check=True, capture_output=True)
    started.communicate()

    assert json.loads(head.stdout)["type"] == "SessionStarted"
    assert cli.types("last") == TOOL_TURN


def test_no_wait_records_the_message_and_runs_nothing(cli: Cli) -> None:
    thread = cli("start", "What is 6 * 7?", "--no-wait").out.strip()

    assert cli.types(thread) == ["SessionStarted", "UserMessageAdded"]
    assert "42" in cli.ask("continue", thread)["response"]


def test_a_message_can_come_from_stdin(cli: Cli) -> None:
    cli("start", "-", stdin=b"What is\n6 * 7?\n")

    assert cli.events("last")[1]["data"]["message"] == "What is\n6 * 7?\n"


def test_an_ended_thread_takes_no_message_until_it_is_reopened(cli: Cli) -> None:
    thread = cli.ask("start", "hello")["thread_id"]
    cli("end", thread)

    refused = cli("message", thread, "more")
    assert refused.code == 1
    assert "--reopen" in refused.err
    assert cli("list", "--format", "json").json()[0]["status"] == "completed"

    assert cli("message", thread, "more", "--reopen").code == 0
    assert cli("list", "--format", "json").json()[0]["status"] == "active"


def test_threads_of_another_category_are_apart(cli: Cli) -> None:
    cli("start", "hello", "--category", "support", "--version", "v2")

    assert cli("list", "--format", "json").json() == []
    listed = cli("list", "--format", "json", "--category", "support", "--version", "v2").json()
    assert listed[0]["stream_name"].startswith("support:v2-")


def test_twenty_turns_of_one_thread_each_see_what_came_before(cli: Cli) -> None:
    model = cli.script("echo", {"text": "ok"}, repeat=True)
    cli("start", "turn 0", "--thread-id", "long", "--model", model)
    for turn in range(1, 20):
        assert cli("message", "long", f"turn {turn}", "--model", model).code == 0

    recipes = [
        event["data"]["projected_context"]["message_count"]
        for event in cli.events("long")
        if event["type"] == "LLMCallRequested"
    ]
    assert recipes == list(range(1, 40, 2))
