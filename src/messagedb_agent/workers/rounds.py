"""What a worker does every two seconds besides its jobs: show that it lives, look after others."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Collection

from procrastinate.worker import Worker

from messagedb_agent.workers.connector import PatientConnector

ROUND_SECONDS = 2.0
STALLED_AFTER_SECONDS = 8.0
"""A worker without a heartbeat for this long is taken for dead, and its threads are put back."""

_REGISTER = """
    INSERT INTO instances (worker_id, name, host, pid, queue_name, concurrency)
    VALUES (%(worker)s, %(name)s, %(host)s, %(pid)s, %(queue)s, %(concurrency)s)
    ON CONFLICT DO NOTHING
"""
_BEAT = "UPDATE procrastinate_workers SET last_heartbeat = now() WHERE id = %(worker)s"
_RESCUE = "SELECT rescue(%(patience)s) AS stream_name"
_MINE = "SELECT id FROM procrastinate_jobs WHERE worker_id = %(worker)s AND status = 'doing'"
_PUT_BACK = "SELECT put_back(%(job)s)"


class Rounds:
    """
    One worker's heartbeat and its part in the rescue of others.

    `running` are the ids of the jobs that this process works on. `on_rescue` is told of
    threads that were put back.
    """

    def __init__(
        self,
        connector: PatientConnector,
        *,
        name: str,
        queue: str,
        concurrency: int,
        running: Collection[int],
        on_rescue: Callable[[str], None],
    ) -> None:
        self._connector = connector
        self._about = {
            "name": name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "queue": queue,
            "concurrency": concurrency,
        }
        self._running = running
        self._on_rescue = on_rescue
        self._suspects: set[int] = set()

    async def run(self, worker: Worker) -> None:
        """Make rounds until cancelled."""
        while worker.worker_id is None:
            await asyncio.sleep(0.01)
        number = worker.worker_id
        await self._connector.execute_query_async(_REGISTER, worker=number, **self._about)
        beaten, is_back = time.monotonic(), False
        while True:
            # The heartbeat first: after a pause this process must not take itself for dead.
            await self._connector.execute_query_async(_BEAT, worker=number)
            # Nor others: what kept this one from its rounds, such as a server that was away,
            # may have kept them. They have until the next round to say that they are back.
            now = time.monotonic()
            is_back = not is_back and now - beaten > STALLED_AFTER_SECONDS / 2
            beaten = now
            if not is_back:
                await self._rescue()
            await self._put_back_strays(number)
            await asyncio.sleep(ROUND_SECONDS)

    async def _rescue(self) -> None:
        rescued = await self._connector.execute_query_all_async(
            _RESCUE, patience=STALLED_AFTER_SECONDS
        )
        for row in rescued:
            if row["stream_name"]:
                self._on_rescue(row["stream_name"])

    async def _put_back_strays(self, worker_id: int) -> None:
        """Jobs that count as ours but aren't: a broken connection swallowed the answer."""
        rows = await self._connector.execute_query_all_async(_MINE, worker=worker_id)
        strays = {row["id"] for row in rows} - set(self._running)
        # Seen twice: between fetching and starting a job it looks like one for a moment.
        for job in strays & self._suspects:
            await self._connector.execute_query_all_async(_PUT_BACK, job=job)
        self._suspects = strays
