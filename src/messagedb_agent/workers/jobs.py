"""Fetching and finishing jobs several at a time, so that each costs a part of a transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from procrastinate.connector import BaseConnector
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

_FETCH = "SELECT * FROM fetch_jobs(%(queues)s::varchar[], %(worker)s, %(most)s, %(done)s::bigint[])"

_PUT_BACK = "SELECT put_back(%(job)s)"

_MOMENT_SECONDS = 0.008
"""How long what is done waits for a fetch to take the news along, and that for more room."""

_SHARE = 4
"""A worker takes a fourth of what it has room for at once: others may have nothing to do."""


class _FetchedJob(Job):
    """A job that is not described at length, many times over, for logs that nobody keeps."""

    def log_context(self) -> dict[str, Any]:
        """See `Job`."""
        return {"id": self.id}

    @property
    def call_string(self) -> str:
        """See `Job`."""
        return self.task_name


class Jobs(JobManager):
    """
    Procrastinate's access to the queue, for a worker with `concurrency` places for jobs.

    A job that is done makes room at once. The queue is told of it by the fetch that fills the room,
    or a moment later; should this process die before, the thread is looked at once more.
    """

    def __init__(self, connector: BaseConnector, concurrency: int) -> None:
        super().__init__(connector)
        self._concurrency = concurrency
        self._occupied: set[int] = set()
        self._fetched: deque[Job] = deque()
        self._done: list[int] = []
        self._telling: asyncio.Task[None] | None = None

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """See `JobManager`."""
        if not self._fetched:
            rows = await self._fetch(queues, worker_id, await self._room())
            self._fetched += (_FetchedJob.from_row(row) for row in rows)
            self._occupied |= {row["id"] for row in rows}
        return self._fetched.popleft() if self._fetched else None

    async def _room(self) -> int:
        """How many jobs to ask for."""
        free = self._concurrency - len(self._occupied)
        if free * 2 >= self._concurrency:
            return max(1, free // _SHARE)
        # Where many jobs run, many end at about the same time.
        await asyncio.sleep(_MOMENT_SECONDS)
        return self._concurrency - len(self._occupied)

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - as in `JobManager`
        """See `JobManager`."""
        assert job.id is not None, "a fetched job has an id"
        self._occupied.discard(job.id)
        if status != Status.SUCCEEDED or not delete_job:
            await super().finish_job(job, status, delete_job)
            return
        self._done.append(job.id)
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def unregister_worker(self, worker_id: int) -> None:
        """See `JobManager`; the queue gets to know of all jobs that are done, or not begun."""
        if self._telling is not None:
            await asyncio.wait((self._telling,))
        while self._fetched:
            await self.connector.execute_query_all_async(_PUT_BACK, job=self._fetched.popleft().id)
        await super().unregister_worker(worker_id)

    async def _tell(self) -> None:
        try:
            while self._done:
                await asyncio.sleep(_MOMENT_SECONDS)
                if self._done:
                    await self._fetch(None, 0, 0)
        finally:
            self._telling = None

    async def _fetch(
        self, queues: Iterable[str] | None, worker_id: int, most: int
    ) -> list[dict[str, Any]]:
        done, self._done = self._done, []
        return await self.connector.execute_query_all_async(
            _FETCH, queues=queues, worker=worker_id, most=most, done=done
        )
