"""Hints: in the transaction of their events, one for each thread, and none lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, LiteralString

import psycopg
import pytest

from messagedb_agent.engine.said import user_message
from messagedb_agent.engine.session import add_message, start_session
from messagedb_agent.errors import OptimisticConcurrencyError
from messagedb_agent.store.base import NO_STREAM, NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.queue import QueueingStore, as_it_belongs, hint, queue_of
from messagedb_agent.workers.schema import install
from tests.waiting import wait_for_wanted_lock
from tests.workers.processes import eventually

STREAM = "agent:v0-one"


def jobs(store: MessageDBClient) -> list[tuple[Any, ...]]:
    with store.connection() as connection:
        return connection.execute(
            "SELECT lock, queue_name, status::text, scheduled_at IS NULL "
            "FROM agent_queue.procrastinate_jobs ORDER BY id"
        ).fetchall()


def fetch(connection: psycopg.Connection[Any]) -> int | None:
    """What Procrastinate does to get a job."""
    connection.execute("SET search_path = agent_queue, public")
    worker = connection.execute("SELECT procrastinate_register_worker_v1()").fetchone()
    assert worker is not None
    row = connection.execute(
        "SELECT id FROM procrastinate_fetch_job_v2(NULL, %s)", (worker[0],)
    ).fetchone()
    connection.execute("RESET search_path")
    assert row is not None
    return None if row[0] is None else int(row[0])


def scalar(connection: psycopg.Connection[Any], query: LiteralString, *values: Any) -> Any:
    row = connection.execute(query, values or None).fetchone()
    assert row is not None
    return row[0]


def message() -> NewEvent:
    return NewEvent(event=user_message("Go."))


def test_a_message_and_its_hint_are_committed_together(queue: MessageDBClient) -> None:
    QueueingStore(queue, "others").append(STREAM, [message()])

    assert queue.version(STREAM) == 0
    assert jobs(queue) == [(STREAM, "others", "todo", True)]
    assert queue_of(queue, STREAM) == "others"


def test_what_is_refused_leaves_neither_event_nor_hint(queue: MessageDBClient) -> None:
    queue.append(STREAM, [message()])

    with pytest.raises(OptimisticConcurrencyError):
        QueueingStore(queue).append(STREAM, [message()], expected_version=NO_STREAM)

    assert queue.version(STREAM) == 0
    assert jobs(queue) == []
    assert queue_of(queue, STREAM) is None


def test_an_earlier_attempt_that_is_committed_late_is_no_conflict(
    queue: MessageDBClient, dsn: str
) -> None:
    event = message()
    with ThreadPoolExecutor(1) as pool, psycopg.connect(dsn, autocommit=True) as onlooker:
        with queue.transaction() as connection:
            queue.append(STREAM, [event], connection=connection)
            append = QueueingStore(queue).append
            again = pool.submit(append, STREAM, [event], expected_version=NO_STREAM)
            wait_for_wanted_lock(onlooker)

        assert [record.id for record in again.result()] == [event.id]
    assert queue.version(STREAM) == 0


def test_a_rollback_of_the_caller_takes_both_back(queue: MessageDBClient) -> None:
    with queue.connection() as connection, connection.transaction(force_rollback=True):
        start_session(QueueingStore(queue), "Go.", thread_id="one", connection=connection)

    assert queue.version(STREAM) == NO_STREAM
    assert jobs(queue) == []


def test_hints_join_the_one_that_waits(queue: MessageDBClient) -> None:
    for _ in range(3):
        QueueingStore(queue).append(STREAM, [message()])

    assert len(jobs(queue)) == 1


def test_a_hint_that_joins_another_holds_that_back_until_its_events_are_there(
    queue: MessageDBClient, dsn: str
) -> None:
    queueing = QueueingStore(queue)
    queueing.append(STREAM, [message()])
    with psycopg.connect(dsn, autocommit=True) as worker:
        with queue.transaction() as connection:
            queueing.append(STREAM, [message()], connection=connection)
            assert fetch(worker) is None

        assert fetch(worker) is not None


def test_a_hint_for_a_thread_that_is_being_driven_waits_for_its_turn(
    queue: MessageDBClient, dsn: str
) -> None:
    queueing = QueueingStore(queue)
    queueing.append(STREAM, [message()])
    with psycopg.connect(dsn, autocommit=True) as worker:
        running = fetch(worker)
        queueing.append(STREAM, [message()])
        assert [status for _, _, status, _ in jobs(queue)] == ["doing", "todo"]
        assert fetch(worker) is None

        worker.execute('LISTEN "procrastinate_queue_v1#agents"')
        worker.execute("SELECT agent_queue.put_back(%s)", (running,))
        assert [note.channel for note in worker.notifies(timeout=5, stop_after=1)]
        assert fetch(worker) is not None
    assert len(jobs(queue)) == 1


def test_a_timer_is_overtaken_by_what_happens_now(queue: MessageDBClient) -> None:
    with queue.transaction() as connection:
        hint(connection, STREAM, delay=60)
    assert jobs(queue) == [(STREAM, "agents", "todo", False)]

    QueueingStore(queue).append(STREAM, [message()])
    with queue.transaction() as connection:
        hint(connection, STREAM, delay=60)

    assert jobs(queue) == [(STREAM, "agents", "todo", True)]


def test_jobs_without_a_living_worker_are_put_back(queue: MessageDBClient, dsn: str) -> None:
    QueueingStore(queue).append(STREAM, [message()])
    with psycopg.connect(dsn, autocommit=True) as worker:
        first = fetch(worker)
        worker.execute("SELECT agent_queue.rescue(8)")
        assert [status for _, _, status, _ in jobs(queue)] == ["doing"]

        worker.execute(
            "UPDATE agent_queue.procrastinate_workers SET last_heartbeat = now() - interval '9 s'"
        )
        worker.execute("SELECT agent_queue.rescue(8)")
        assert [status for _, _, status, _ in jobs(queue)] == ["todo"]
        assert fetch(worker) not in (None, first), "the paused worker must not finish it"


def test_what_was_put_back_goes_before_what_nobody_has_begun(
    queue: MessageDBClient, dsn: str
) -> None:
    for stream in (STREAM, "agent:v0-two"):
        QueueingStore(queue).append(stream, [message()])
    with psycopg.connect(dsn, autocommit=True) as worker:
        begun = fetch(worker)
        worker.execute("SELECT agent_queue.put_back(%s)", (begun,))
        again = fetch(worker)
        lock = worker.execute(
            "SELECT lock FROM agent_queue.procrastinate_jobs WHERE id = %s", (again,)
        ).fetchone()

    assert lock == (STREAM,)


def test_fetching_and_finishing_look_at_few_of_the_jobs_that_wait(queue: MessageDBClient) -> None:
    looked_at = (
        "SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables "
        "WHERE schemaname = 'agent_queue' AND relname = 'procrastinate_jobs'"
    )
    fetched = "SELECT array_agg(id) FROM agent_queue.fetch_jobs('{agents}', NULL, %s, %s)"
    with queue.connection() as connection:
        # The plans of a worker that was there before there was anything to do.
        connection.execute("VACUUM ANALYZE agent_queue.procrastinate_jobs")
        for _ in range(10):
            hint(connection, STREAM)
            scalar(connection, fetched, 0, scalar(connection, fetched, 5, []))
        with connection.transaction():
            for number in range(400):
                hint(connection, f"agent:v0-{number}")

    with queue.connection() as connection, connection.transaction():
        ids = scalar(connection, fetched, 5, [])
        scalar(connection, fetched, 0, ids)

        assert len(ids) == 5
        assert scalar(connection, looked_at) < 100


def test_a_thread_that_no_worker_was_given_stays_its_person_s(queue: MessageDBClient) -> None:
    queue.append(STREAM, [message()])

    assert as_it_belongs(queue, STREAM) is queue


def test_what_comes_later_wakes_the_workers_of_the_thread(queue: MessageDBClient) -> None:
    QueueingStore(queue, "others").append(STREAM, [message()])
    with queue.transaction() as connection:
        connection.execute("SET LOCAL search_path = agent_queue")
        connection.execute("DELETE FROM procrastinate_jobs")

    add_message(as_it_belongs(queue, STREAM), STREAM, "Go on.")

    assert jobs(queue) == [(STREAM, "others", "todo", True)]


def test_without_a_queue_the_first_worker_finds_what_was_left_to_it(store: MessageDBClient) -> None:
    start_session(QueueingStore(store, "others"), "Go.", thread_id="one")
    start_session(store, "Mine.", thread_id="two")
    with store.connection() as connection:
        install(connection, "agent:v0")

    assert jobs(store) == [(STREAM, "others", "todo", True)]


def test_what_is_left_to_workers_while_the_first_one_installs_the_queue_is_not_lost(
    store: MessageDBClient, dsn: str
) -> None:
    with ThreadPoolExecutor() as pool, psycopg.connect(dsn) as connection:
        with connection.transaction():
            install(connection, "agent:v0")
            left = pool.submit(QueueingStore(store).append, STREAM, [message()])
            eventually(lambda: left.done() or is_somebody_waiting(dsn), 20)
        left.result()

    assert [job[0] for job in jobs(store)] == [STREAM]


def is_somebody_waiting(dsn: str) -> bool:
    """Whether a session waits for an advisory lock."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event = 'advisory'"
        ).fetchone()
    return row is not None and row[0] > 0


def test_installing_twice_changes_nothing(queue: MessageDBClient) -> None:
    QueueingStore(queue).append(STREAM, [message()])
    with queue.connection() as connection:
        assert install(connection, "agent:v0") is None

    assert len(jobs(queue)) == 1


def test_the_queue_of_another_version_is_renewed_once_nobody_uses_it(
    queue: MessageDBClient,
) -> None:
    QueueingStore(queue, "others").append(STREAM, [message()])
    with queue.connection() as connection:
        connection.execute("COMMENT ON SCHEMA agent_queue IS 'an older one'")
        connection.execute("INSERT INTO agent_queue.procrastinate_workers DEFAULT VALUES")
        assert "another version" in (install(connection, "agent:v0") or "")
        connection.execute("DELETE FROM agent_queue.procrastinate_workers")
        assert install(connection, "agent:v0") is None

    assert jobs(queue) == [(STREAM, "others", "todo", True)]
