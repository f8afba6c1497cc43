"""Fetching and finishing jobs several at a time, so that each costs a part of a transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

from procrastinate.connector import BaseConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

_FETCH = "SELECT * FROM fetch_jobs(%(queues)s::varchar[], %(worker)s, %(most)s)"
_FINISH = """
    SELECT procrastinate_finish_job_v1(job.id, job.status::procrastinate_job_status, job.is_over)
    FROM unnest(%(ids)s::bigint[], %(statuses)s::text[], %(over)s::boolean[])
        AS job (id, status, is_over)
"""

_SHARE = 4
"""A worker takes a fourth of what it has room for at once: others may have nothing to do."""


class _Finished(NamedTuple):
    job_id: int
    status: Status
    is_deleted: bool
    done: asyncio.Future[None]


class _FetchedJob(Job):
    """A job that is not described at length, many times over, for logs that nobody keeps."""

    def log_context(self) -> dict[str, Any]:
        """See `Job`."""
        return {"id": self.id}


class Jobs(JobManager):
    """Procrastinate's access to the queue, for a worker with `concurrency` places for jobs."""

    def __init__(self, connector: BaseConnector, concurrency: int) -> None:
        super().__init__(connector)
        self._concurrency = concurrency
        self._occupied: set[int] = set()
        self._fetched: deque[Job] = deque()
        self._finished: list[_Finished] = []
        self._finishing: asyncio.Task[None] | None = None

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """See `JobManager`."""
        if not self._fetched:
            free = self._concurrency - len(self._occupied)
            rows = await self.connector.execute_query_all_async(
                _FETCH, queues=queues, worker=worker_id, most=max(1, free // _SHARE)
            )
            self._fetched += (_FetchedJob.from_row(row) for row in rows)
            self._occupied |= {row["id"] for row in rows}
        return self._fetched.popleft() if self._fetched else None

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - as in `JobManager`
        """See `JobManager`; those that end while others are being finished go together."""
        assert job.id is not None, "a fetched job has an id"
        finished = _Finished(job.id, status, delete_job, asyncio.Future())
        self._finished.append(finished)
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._finish())
        await finished.done

    async def _finish(self) -> None:
        try:
            while self._finished:
                together, self._finished = self._finished, []
                await self._finish_together(together)
        finally:
            self._finishing = None

    async def _finish_together(self, together: list[_Finished]) -> None:
        try:
            await self.connector.execute_query_all_async(
                _FINISH,
                ids=[each.job_id for each in together],
                statuses=[each.status.value for each in together],
                over=[each.is_deleted for each in together],
            )
        except ConnectorException:
            # Perhaps one of them was put back meanwhile, which is no fault of the others.
            for each in together:
                await self._finish_one(each)
        else:
            for each in together:
                each.done.set_result(None)
        finally:
            self._occupied.difference_update(each.job_id for each in together)
            for each in together:
                # Whatever else went wrong, nobody waits for ever.
                each.done.cancel()

    async def _finish_one(self, each: _Finished) -> None:
        try:
            await self.finish_job_by_id_async(each.job_id, each.status, each.is_deleted)
        except ConnectorException as error:
            each.done.set_exception(error)
        else:
            each.done.set_result(None)
