"""What is kept of long threads changes nothing but the time that lists take."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messagedb_agent.engine.archiving import archive_thread, unarchive_thread
from messagedb_agent.events import (
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    ThreadReopened,
    ToolApprovalRequested,
    ToolExecutionApproved,
    TurnInterrupted,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.user import ThreadRenamed
from messagedb_agent.store import schema
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import QuickConnection, quick_connection
from messagedb_agent.store.summaries import keeping
from messagedb_agent.store.summaries.keeping import forget
from messagedb_agent.store.threads import ThreadSummary, newest_threads
from messagedb_agent.store.titles import thread_titles
from messagedb_agent.store.usage import UsageSum, stream_usage
from messagedb_agent.testing.histories import histories
from tests.postgres import throwaway_server

CATEGORY = "agent:v0"
STREAM = f"{CATEGORY}-t"
STARTED, ASKED = SessionStarted(thread_id="t"), UserMessageAdded(message="hi")


class Told(NamedTuple):
    """All that lists tell of threads."""

    threads: tuple[ThreadSummary, ...]
    titles: dict[str, str]
    usage: tuple[UsageSum, ...]


def listed(quick: QuickConnection, limit: int = 9) -> Told:
    threads = newest_threads(quick, CATEGORY, limit)
    names = [thread.stream_name for thread in threads]
    return Told(threads, thread_titles(quick, names), stream_usage(quick, names))


def listed_from_the_start(quick: QuickConnection) -> Told:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "_KEPT", keeping.NOTHING)
        patch.setattr(keeping, "KEEP_EVENTS", 1_000_000)
        return listed(quick)


def write(client: MessageDBClient, *past: Event, stream: str = STREAM) -> str:
    client.append(stream, [NewEvent(event=event) for event in past])
    return stream


def has_table(quick: QuickConnection) -> bool:
    return quick.query("SELECT to_regclass('messagedb_agent.summaries')") != [[None]]


def kept_position(quick: QuickConnection) -> int:
    ((position,),) = quick.query("SELECT position FROM messagedb_agent.summaries")
    return int(position or 0)


def answer(model: str, tokens: int, **more: Any) -> LLMResponseReceived:
    usage = {"input_tokens": tokens, "output_tokens": 1, **more}
    return LLMResponseReceived(model_name=model, token_usage=usage)


def pending(call_id: str) -> ToolApprovalRequested:
    return ToolApprovalRequested(tool_name="write", tool_call_id=call_id, tool_id=call_id)


def approved(call_id: str) -> ToolExecutionApproved:
    return ToolExecutionApproved(tool_name="write", tool_call_id=call_id)


def more_of(past: list[Event]) -> list[Event]:
    """What the histories of the engine have not."""
    names = [ThreadRenamed(title="plum"), ThreadRenamed(title="fig")]
    return [*past[:3], names[0], *past[3:], answer("m", 5), answer("n", 150_000), *names[1:]]


@pytest.mark.usefixtures("keeps_all")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(past=histories(), data=st.data())
def test_lists_tell_the_same_whenever_they_kept_something(
    client: MessageDBClient, quick: QuickConnection, past: list[Event], data: st.DataObject
) -> None:
    quick.query("TRUNCATE message_store.messages")
    forget(quick)
    rest = more_of([STARTED, *past])
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        write(client, *rest[:count])
        rest = rest[count:]

        assert listed(quick) == listed_from_the_start(quick)
        assert kept_position(quick) == client.version(STREAM)


PARTS: dict[str, tuple[tuple[Event, ...], ...]] = {
    "approved later": ((pending("a"), pending("b")), (approved("a"),), (pending("c"),)),
    "asked twice": ((pending("a"), pending("a")), (approved("a"), pending("a")), (approved("a"),)),
    "reopened": ((SessionCompleted(),), (ThreadReopened(),), (SessionCompleted(), ASKED)),
    "interrupted": ((ASKED, TurnInterrupted()), (ThreadRenamed(title="fig"),), (ASKED,)),
    "used": (
        (answer("m", 5), answer("m", 150_000)),
        (answer("m", 7, cache_read_tokens=3), answer("n", 1)),
        (answer("m", 150_001, total_tokens=9), answer("n", "many")),  # type: ignore[arg-type]
    ),
    "renamed": ((ThreadRenamed(title="fig"),), (ASKED,), (ThreadRenamed(title=""),)),
}


@pytest.mark.usefixtures("keeps_all")
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS.keys())
def test_what_came_later_is_added(
    client: MessageDBClient, quick: QuickConnection, parts: tuple[tuple[Event, ...], ...]
) -> None:
    write(client, STARTED, ASKED)
    for part in parts:
        listed(quick)
        write(client, *part)

        assert listed(quick) == listed_from_the_start(quick)


@pytest.mark.usefixtures("keeps_all")
def test_days_stay_apart(client: MessageDBClient, quick: QuickConnection) -> None:
    write(client, STARTED, answer("m", 5))
    listed(quick)
    write(client, answer("m", 6))
    quick.query(
        "UPDATE message_store.messages SET time = time + interval '3 days' WHERE position = 2"
    )

    told = listed(quick)

    assert [(each.calls, each.input_tokens) for each in told.usage] == [(1, 5), (1, 6)]
    assert told == listed_from_the_start(quick)


def test_what_is_kept_is_not_read_again(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "KEEP_EVENTS", 50)
    write(client, STARTED, *[ASKED] * 60)
    listed(quick)
    quick.query("DELETE FROM message_store.messages WHERE position BETWEEN 1 AND 60")

    ((thread,), titles, _) = listed(quick)

    assert (thread.message_count, titles) == (60, {})


def test_nothing_is_kept_of_short_threads(client: MessageDBClient, quick: QuickConnection) -> None:
    write(client, STARTED, ASKED)

    assert listed(quick).threads[0].message_count == 1
    assert not has_table(quick)


@pytest.mark.usefixtures("keeps_all")
def test_a_name_that_is_used_again_tells_of_the_new_thread(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    write(client, STARTED, ASKED, answer("m", 5))
    listed(quick)
    quick.query("DELETE FROM message_store.messages")
    write(client, STARTED)

    assert listed(quick) == listed_from_the_start(quick)
    write(client, ASKED)
    assert listed(quick) == listed_from_the_start(quick)
    assert quick.query("SELECT stream_name, messages FROM messagedb_agent.summaries") == [
        [STREAM, "1"]
    ]


@pytest.mark.usefixtures("keeps_all")
def test_a_thread_that_was_archived_tells_what_it_told(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    write(client, STARTED, ASKED, answer("m", 5), ThreadRenamed(title="fig"))
    told = listed(quick)

    archive_thread(client, STREAM)
    kept = newest_threads(quick, CATEGORY, 9, archived=True)
    assert kept == told.threads
    assert thread_titles(quick, [STREAM], archived=True) == told.titles
    assert stream_usage(quick, [STREAM], archived=True) == told.usage

    unarchive_thread(client, STREAM)
    assert listed(quick) == told


@pytest.mark.usefixtures("keeps_all")
@pytest.mark.parametrize(
    "harm",
    [
        "DROP SCHEMA messagedb_agent CASCADE",
        "DROP TABLE messagedb_agent.summaries",
        "COMMENT ON TABLE messagedb_agent.summaries IS 'of another version'",
        "DELETE FROM messagedb_agent.summaries",
    ],
)
def test_what_is_gone_or_of_another_version_is_made_anew(
    client: MessageDBClient, quick: QuickConnection, harm: str
) -> None:
    write(client, STARTED, ASKED)
    told = listed(quick)

    quick.query(harm)

    assert listed(quick) == told
    assert quick.query("SELECT count(*) FROM messagedb_agent.summaries") == [["1"]]


@pytest.mark.usefixtures("keeps_all")
def test_events_that_were_changed_by_hand_are_told_of_once_all_is_forgotten(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    forget(quick)
    write(client, STARTED, ThreadRenamed(title="fig"))
    assert listed(quick).titles == {STREAM: "fig"}
    quick.query(
        """UPDATE message_store.messages SET data = '{"title": "plum"}' WHERE position = 1"""
    )

    forget(quick)

    assert listed(quick).titles == {STREAM: "plum"}


@pytest.mark.usefixtures("keeps_all")
def test_who_may_not_write_lists_all_the_same(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    write(client, STARTED, ASKED)
    read_only = {**message_db, "options": "-c default_transaction_read_only=on"}
    with quick_connection(read_only) as reader, quick_connection(message_db) as writer:
        first = listed(reader)
        assert not has_table(reader)
        assert listed(writer) == first
        write(client, ASKED)
        assert listed(reader) == listed_from_the_start(writer)


@pytest.mark.usefixtures("keeps_all")
def test_who_may_not_read_what_others_keep_lists_all_the_same() -> None:
    with throwaway_server() as dsn:
        with psycopg.connect(dsn, autocommit=True) as own:
            schema.install(own)
            own.execute("CREATE ROLE stranger LOGIN")
            own.execute("GRANT USAGE ON SCHEMA message_store TO stranger")
            own.execute("GRANT SELECT ON ALL TABLES IN SCHEMA message_store TO stranger")
            own.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA message_store TO stranger")
        settings = psycopg.conninfo.conninfo_to_dict(dsn)
        with MessageDBClient(settings) as client:
            write(client, STARTED, ASKED)
        with quick_connection(settings) as owner:
            told = listed(owner)
            assert has_table(owner)
        with quick_connection({**settings, "user": "stranger"}) as stranger:
            assert listed(stranger) == told


@pytest.mark.usefixtures("keeps_all")
def test_all_who_list_first_at_the_same_time_tell_the_same(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    for name in "abcdef":
        write(client, STARTED, *[ASKED] * 9, stream=f"{CATEGORY}-{name}")
    told: list[Told] = []
    ready = threading.Barrier(4)

    def look() -> None:
        with quick_connection(message_db) as quick:
            ready.wait(10)
            told.append(listed(quick))

    lookers = [threading.Thread(target=look) for _ in range(4)]
    for looker in lookers:
        looker.start()
    for looker in lookers:
        looker.join(60)

    assert len(told) == 4
    assert told == [told[0]] * 4
    assert [thread.message_count for thread in told[0].threads] == [9] * 6
