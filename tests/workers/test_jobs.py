"""Jobs fetched and finished several at a time: each once, and none beyond the room there is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
from procrastinate import App
from procrastinate.jobs import Job, Status
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.workers.connector import PatientConnector
from messagedb_agent.workers.jobs import Jobs
from messagedb_agent.workers.queue import hint

T = TypeVar("T")


def give(queue: MessageDBClient, count: int) -> list[str]:
    streams = [f"agent:v0-{number}" for number in range(count)]
    with queue.connection() as connection, connection.transaction():
        for stream in streams:
            hint(connection, stream)
    return streams


def count(queue: MessageDBClient, what: str) -> int:
    with queue.connection() as connection:
        row = connection.execute(
            "SELECT count(*) FROM agent_queue.procrastinate_jobs WHERE status::text = %s", (what,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def working(dsn: str, concurrency: int, work: Callable[[Jobs, int], Awaitable[T]]) -> T:
    """What a worker does that has places for so many jobs."""

    async def run() -> T:
        connector = PatientConnector(conninfo_to_dict(dsn), lambda: True)
        async with App(connector=connector).open_async():
            jobs = Jobs(connector, concurrency)
            return await work(jobs, await jobs.register_worker())

    return asyncio.run(run())


async def fetch(jobs: Jobs, worker: int) -> Job:
    job = await jobs.fetch_job(["agents"], worker)
    assert job is not None
    return job


def test_every_waiting_job_is_fetched_once_in_its_order(queue: MessageDBClient, dsn: str) -> None:
    streams = give(queue, 12)

    async def work(jobs: Jobs, worker: int) -> list[str | None]:
        fetched = [(await fetch(jobs, worker)).lock for _ in streams]
        assert await jobs.fetch_job(["agents"], worker) is None
        return fetched

    assert working(dsn, 12, work) == streams


def test_a_worker_takes_a_part_of_what_it_has_room_for(queue: MessageDBClient, dsn: str) -> None:
    give(queue, 12)

    async def work(jobs: Jobs, worker: int) -> list[int]:
        taken = []
        for _ in range(8):
            await fetch(jobs, worker)
            taken.append(count(queue, "doing"))
        return taken

    # Two of eight places; then one of six, of five and of four; then what is left.
    assert working(dsn, 8, work) == [2, 2, 3, 4, 5, 8, 8, 8]


def test_a_busy_worker_asks_once_for_places_that_become_free_together(
    queue: MessageDBClient, dsn: str
) -> None:
    give(queue, 12)

    async def work(jobs: Jobs, worker: int) -> int:
        running = [await fetch(jobs, worker) for _ in range(8)]
        fetching = asyncio.create_task(fetch(jobs, worker))
        for job in running[:3]:
            await jobs.finish_job(job, Status.SUCCEEDED, delete_job=True)
        await fetching
        return count(queue, "doing")

    assert working(dsn, 8, work) == 8


def test_what_ended_is_gone_once_its_worker_has_left(queue: MessageDBClient, dsn: str) -> None:
    give(queue, 10)

    async def work(jobs: Jobs, worker: int) -> None:
        for _ in range(9):
            await jobs.finish_job(await fetch(jobs, worker), Status.SUCCEEDED, delete_job=True)
        await jobs.finish_job(await fetch(jobs, worker), Status.FAILED, delete_job=False)
        await jobs.unregister_worker(worker)

    working(dsn, 10, work)

    assert (count(queue, "doing"), count(queue, "todo"), count(queue, "failed")) == (0, 0, 1)


def test_what_a_worker_fetched_and_did_not_begin_is_for_others_once_it_has_left(
    queue: MessageDBClient, dsn: str
) -> None:
    give(queue, 8)

    async def work(jobs: Jobs, worker: int) -> None:
        job = await fetch(jobs, worker)
        assert count(queue, "doing") == 2
        await jobs.finish_job(job, Status.SUCCEEDED, delete_job=True)
        await jobs.unregister_worker(worker)

    working(dsn, 8, work)

    assert (count(queue, "doing"), count(queue, "todo")) == (0, 7)


def test_what_ended_is_gone_soon_without_another_fetch(queue: MessageDBClient, dsn: str) -> None:
    give(queue, 1)

    async def work(jobs: Jobs, worker: int) -> None:
        await jobs.finish_job(await fetch(jobs, worker), Status.SUCCEEDED, delete_job=True)
        async with asyncio.timeout(20):
            while count(queue, "doing"):
                await asyncio.sleep(0.01)

    working(dsn, 1, work)


def test_the_fetch_that_fills_the_room_takes_along_what_ended(
    queue: MessageDBClient, dsn: str
) -> None:
    give(queue, 2)

    async def work(jobs: Jobs, worker: int) -> int:
        await jobs.finish_job(await fetch(jobs, worker), Status.SUCCEEDED, delete_job=True)
        await fetch(jobs, worker)
        return count(queue, "doing")

    assert working(dsn, 1, work) == 1


def test_a_job_that_was_put_back_meanwhile_is_somebody_elses(
    queue: MessageDBClient, dsn: str
) -> None:
    give(queue, 4)

    async def work(jobs: Jobs, worker: int) -> None:
        fetched = [await fetch(jobs, worker) for _ in range(4)]
        with queue.connection() as connection:
            connection.execute("SELECT agent_queue.put_back(%s)", (fetched[2].id,))
        for job in fetched:
            await jobs.finish_job(job, Status.SUCCEEDED, delete_job=True)
        await jobs.unregister_worker(worker)

    working(dsn, 4, work)

    assert (count(queue, "doing"), count(queue, "todo")) == (0, 1)


def test_what_a_job_that_ended_occupied_is_free_again(queue: MessageDBClient, dsn: str) -> None:
    give(queue, 8)

    async def work(jobs: Jobs, worker: int) -> int:
        for _ in range(4):
            job = await fetch(jobs, worker)
            await jobs.finish_job(job, Status.SUCCEEDED, delete_job=True)
        await jobs.unregister_worker(worker)
        return count(queue, "todo")

    # Two for the first and the third: a fourth of eight places each time.
    assert working(dsn, 8, work) == 4


@pytest.mark.parametrize("status", ["doing", "todo"])
def test_since_when_a_job_is_as_it_is_can_be_told(
    queue: MessageDBClient, dsn: str, status: str
) -> None:
    give(queue, 1)

    async def work(jobs: Jobs, worker: int) -> bool:
        before = await jobs.connector.execute_query_one_async("SELECT clock_timestamp() AS now")
        if status == "doing":
            await fetch(jobs, worker)
        row = await jobs.connector.execute_query_one_async("SELECT since FROM procrastinate_jobs")
        return bool(row["since"] > before["now"])

    assert working(dsn, 4, work) is (status == "doing")
