"""Archived threads on a real server: what moves, what is refused, what can still be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.engine.archiving import archive_thread, unarchive_thread
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.session import add_message, approve, find_pending, read_state
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.transfer import export_thread, import_thread
from messagedb_agent.engine.travel import fork_thread, rewind_thread
from messagedb_agent.errors import (
    StoreUnavailableError,
    ThreadArchivedError,
    ThreadBusyError,
    ThreadNotFoundError,
    UsageError,
)
from messagedb_agent.events import (
    LLMResponseReceived,
    SessionStarted,
    ThreadForked,
    ToolApprovalRequested,
    ToolCall,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.user import MessageScheduled
from messagedb_agent.projections import THREAD_STATE
from messagedb_agent.store.base import NO_STREAM, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.positions import ConsumerName, StreamPositions
from messagedb_agent.store.snapshots import encode_state, load_snapshot, save_snapshot
from messagedb_agent.store.table_positions import TablePositions
from messagedb_agent.testing.histories import histories
from messagedb_agent.testing.strategies import events
from tests.engine.helpers import new_stream

AT_REST = (
    SessionStarted(thread_id="t"),
    UserMessageAdded(message="hello"),
    LLMResponseReceived(response_text="hi", model_name="m"),
)
WAITING = (
    *AT_REST[:2],
    LLMResponseReceived(
        response_text="", model_name="m", tool_calls=(ToolCall(id="c", name="n", arguments={}),)
    ),
    ToolApprovalRequested(tool_name="n", arguments={}, tool_call_id="c", tool_id="c"),
)


def write(store: MessageDBClient, stream: str, past: Sequence[Event] = AT_REST) -> None:
    store.append(stream, [NewEvent(event=event) for event in past])


def rows(store: MessageDBClient, stream: str) -> list[tuple[Any, ...]]:
    """The rows of a stream as the table has them."""
    return store.query(
        lambda connection: connection.execute(
            "SELECT id, stream_name, type, position, global_position, data::text, metadata::text, "
            "time, to_jsonb(messages) FROM message_store.messages WHERE stream_name = %s "
            "ORDER BY position",
            (stream,),
        ).fetchall()
    )


def texts(store: MessageDBClient, stream: str) -> list[str]:
    """All that is read of a stream, in a form in which even NaN equals itself."""
    return [repr(record) for record in store.read(stream)]


@given(past=histories() | st.lists(events(), min_size=1, max_size=8))
def test_what_is_archived_and_unarchived_is_what_it_was(
    message_db: dict[str, Any], past: list[Event]
) -> None:
    stream = new_stream()
    with MessageDBClient(message_db) as store:
        store.append(stream, [NewEvent(event=event, metadata={"n": 1.50}) for event in past])
        before, read = rows(store, stream), texts(store, stream)

        assert archive_thread(store, stream, force=True) == len(past)
        assert rows(store, stream) == []
        assert texts(store, stream) == read
        assert store.version(stream) == len(past) - 1
        assert unarchive_thread(store, stream) == len(past)

        assert rows(store, stream) == before
        assert texts(store, stream) == read


def test_a_fork_whose_origin_is_lost_can_be_put_away_by_force(
    client: MessageDBClient, stream: str
) -> None:
    write(client, stream, [ThreadForked(origin_stream_name="agent:v0-lost", origin_position=3)])

    assert archive_thread(client, stream, force=True) == 1
    assert client.version(stream) == 0


def test_a_long_thread_is_read_from_the_archive_page_by_page_and_from_any_position(
    client: MessageDBClient, stream: str
) -> None:
    write(client, stream, [UserMessageAdded(message=f"{n}") for n in range(2_350)])
    before, read = rows(client, stream), list(client.read(stream))
    state = read_state(client, stream)

    archive_thread(client, stream, force=True)

    assert list(client.read(stream)) == read
    assert read_state(client, stream) == state
    for position in (0, 99, 100, 1_234, 2_349):
        fork_thread(client, stream, fork := new_stream(), position)
        assert [record.position for record in read_history(client, fork)][:-1] == [
            *range(position + 1)
        ]
    unarchive_thread(client, stream)
    assert rows(client, stream) == before


def test_forks_at_any_position_and_forks_of_forks_stay_byte_for_byte_what_they_were(
    client: MessageDBClient, stream: str
) -> None:
    write(client, stream)
    forks = []
    for position in range(len(AT_REST)):
        fork_thread(client, stream, fork := new_stream(), position)
        write(client, fork, [UserMessageAdded(message="or else?")])
        fork_thread(client, fork, grandchild := new_stream())
        forks += [fork, grandchild]

    def folded() -> list[bytes]:
        histories = [read_history(client, fork) for fork in forks]
        return [
            encode_state(THREAD_STATE.fold(record.event for record in history))
            for history in histories
        ]

    before, files = folded(), [export_thread(client, fork) for fork in forks]
    archive_thread(client, stream, force=True)
    archive_thread(client, forks[0], force=True)

    assert folded() == before
    assert [export_thread(client, fork) for fork in forks] == files


def test_an_export_whose_origin_is_archived_can_be_imported(
    client: MessageDBClient, stream: str
) -> None:
    write(client, stream)
    fork_thread(client, stream, fork := new_stream())
    lines = export_thread(client, fork)
    archive_thread(client, stream)
    archive_thread(client, fork, force=True)

    copy = import_thread(client, lines, new_stream())

    assert import_thread(client, lines) == fork
    assert len(read_history(client, copy)) == len(AT_REST) + 1
    assert rows(client, stream) == rows(client, fork) == []


@pytest.mark.parametrize("expected", [None, NO_STREAM, 2])
def test_nothing_is_written_beside_an_archived_thread(
    client: MessageDBClient, stream: str, expected: int | None
) -> None:
    write(client, stream)
    archive_thread(client, stream)

    with pytest.raises(ThreadArchivedError, match="unarchive"):
        client.append(stream, [NewEvent(event=AT_REST[1])], expected_version=expected)
    with client.transaction() as connection, pytest.raises(ThreadArchivedError):
        client.append(stream, [NewEvent(event=AT_REST[1])], connection=connection)
    with pytest.raises(ThreadArchivedError):
        add_message(client, stream, "more")
    with pytest.raises(ThreadArchivedError):
        rewind_thread(client, stream, 0)
    with AgentThread(client, stream) as thread:
        thread.send("more")
        with pytest.raises(ThreadArchivedError):
            thread.commit()

    assert rows(client, stream) == []


def test_a_thread_goes_on_after_it_was_brought_back(client: MessageDBClient, stream: str) -> None:
    write(client, stream)
    archive_thread(client, stream)
    unarchive_thread(client, stream)

    add_message(client, stream, "more")

    assert client.version(stream) == len(AT_REST)
    archive_thread(client, stream, force=True)
    assert len(list(client.read(stream))) == len(AT_REST) + 1


def test_a_thread_that_is_driven_is_not_archived_whatever_is_said(
    client: MessageDBClient, stream: str
) -> None:
    write(client, stream)

    with AgentThread(client, stream), pytest.raises(ThreadBusyError):
        archive_thread(client, stream, force=True)

    assert len(rows(client, stream)) == len(AT_REST)
    archive_thread(client, stream)


@pytest.mark.parametrize(
    ("past", "reason"),
    [
        (WAITING, "waits for approval"),
        (AT_REST[:2], "turn is not over"),
        (
            (*AT_REST, MessageScheduled(schedule_id="s", message="later", due_at="2999-01-01")),
            "is scheduled",
        ),
    ],
)
def test_a_thread_that_has_something_to_do_is_archived_by_force_only(
    client: MessageDBClient, stream: str, past: Sequence[Event], reason: str
) -> None:
    write(client, stream, past)

    with pytest.raises(UsageError, match=f"{reason}; `--force`"):
        archive_thread(client, stream)

    assert len(rows(client, stream)) == len(past)
    assert archive_thread(client, stream, force=True) == len(past)


def test_what_is_archived_takes_no_decisions(client: MessageDBClient, stream: str) -> None:
    write(client, stream, WAITING)
    archive_thread(client, stream, force=True)

    with pytest.raises(ThreadArchivedError):
        approve(client, stream, find_pending(read_state(client, stream), None))


@pytest.mark.parametrize("kind", [StreamPositions, TablePositions])
def test_a_thread_that_a_consumer_has_not_seen_is_archived_by_force_only(
    client: MessageDBClient, kind: type[StreamPositions | TablePositions]
) -> None:
    category = f"{new_stream().partition('-')[2].replace('-', '')}:v0"
    stream = f"{category}-t"
    write(client, stream)
    *_, last = rows(client, stream)
    positions, printer = kind(client), ConsumerName(category, "printer")
    positions.save(printer, last[4] - 1)
    positions.save(ConsumerName(category, "quick"), last[4])

    with pytest.raises(UsageError, match="not seen all of it: printer; `--force`"):
        archive_thread(client, stream)

    positions.save(printer, last[4])
    assert archive_thread(client, stream) == len(AT_REST)


def test_a_consumer_of_one_thread_is_not_one_of_its_category(client: MessageDBClient) -> None:
    category = f"{new_stream().partition('-')[2].replace('-', '')}:v0"
    write(client, f"{category}-a-b")
    StreamPositions(client).save(ConsumerName(f"{category}-other", "c"), 0)

    assert archive_thread(client, f"{category}-a-b") == len(AT_REST)


def test_snapshots_of_archived_threads_are_dropped(client: MessageDBClient, stream: str) -> None:
    write(client, stream)
    projected = THREAD_STATE.at_start().advance(client.read(stream))
    assert save_snapshot(client, stream, projected)

    archive_thread(client, stream)
    unarchive_thread(client, stream)

    assert load_snapshot(client, stream, THREAD_STATE) is None


@pytest.fixture
def dying_archive(client: MessageDBClient, stream: str) -> Iterator[None]:
    """An archive whose session dies when the stream has been moved to it."""
    write(client, other := new_stream())
    archive_thread(client, other)
    with client.connection() as own:
        own.execute(
            "CREATE FUNCTION public.die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$"
        )
        own.execute(
            "CREATE TRIGGER die AFTER INSERT ON messagedb_agent.archive FOR EACH ROW "
            f"WHEN (NEW.stream_name = '{stream}') EXECUTE FUNCTION public.die()".encode()
        )
    yield
    with client.connection() as own:
        own.execute("DROP FUNCTION public.die() CASCADE")


@pytest.mark.usefixtures("dying_archive")
def test_a_move_that_dies_midway_has_moved_nothing(
    client: MessageDBClient, stream: str, message_db: dict[str, Any]
) -> None:
    write(client, stream)
    before = rows(client, stream)

    with (
        MessageDBClient(message_db, patience_seconds=0) as hasty,
        pytest.raises(StoreUnavailableError),
    ):
        archive_thread(hasty, stream)

    assert rows(client, stream) == before
    with client.connection() as own:
        kept = own.execute(
            "SELECT count(*) FROM messagedb_agent.archive WHERE stream_name = %s", (stream,)
        ).fetchone()
    assert kept == (0,)


def test_a_user_who_may_not_delete_is_told_in_one_line(
    client: MessageDBClient, stream: str, message_db: dict[str, Any]
) -> None:
    write(client, stream)
    archive_thread(client, stream)
    unarchive_thread(client, stream)

    with (
        MessageDBClient({**message_db, "options": "-c role=message_store"}) as guest,
        pytest.raises(StoreUnavailableError, match="may not archive: permission denied"),
    ):
        archive_thread(guest, stream)


def test_a_guest_who_may_write_begins_threads_as_before(
    client: MessageDBClient, stream: str, message_db: dict[str, Any]
) -> None:
    write(client, stream)
    archive_thread(client, stream)

    with MessageDBClient({**message_db, "options": "-c role=message_store"}) as guest:
        write(guest, other := new_stream())
        with pytest.raises(ThreadArchivedError):
            write(guest, stream)
        assert len(list(guest.read(stream))) == len(list(guest.read(other))) == len(AT_REST)


def test_what_is_not_archived_can_not_be_brought_back(client: MessageDBClient, stream: str) -> None:
    write(client, stream)

    with pytest.raises(ThreadNotFoundError):
        unarchive_thread(client, stream)
    with pytest.raises(ThreadNotFoundError):
        archive_thread(client, new_stream())
