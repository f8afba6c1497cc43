"""What a worker does every two seconds besides its jobs: show that it lives, look after others."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Collection

from procrastinate.exceptions import ConnectorException
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

    `running` are the ids of the jobs that this process works on. `complain` is told of threads
    that were put back, and of what went wrong.
    """

    def __init__(
        self,
        connector: PatientConnector,
        *,
        name: str,
        queue: str,
        concurrency: int,
        running: Collection[int],
        complain: Callable[[str], None],
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
        self._complain = complain
        self._suspects: set[int] = set()
        self._beaten = self._rescues_from = 0.0

    async def run(self, worker: Worker) -> None:
        """Make rounds until cancelled."""
        while worker.worker_id is None:
            await asyncio.sleep(0.01)
        number = worker.worker_id
        await self._connector.execute_query_async(_REGISTER, worker=number, **self._about)
        self._beaten = time.monotonic()
        while True:
            try:
                await self._round(number)
            except ConnectorException as error:
                # The server refused it (a deadlock, a time-out); without rounds nobody is rescued.
                self._complain(f"a look after the other workers failed ({error}); trying again")
            await asyncio.sleep(ROUND_SECONDS)

    async def _round(self, worker_id: int) -> None:
        # The heartbeat first: after a pause this process must not take itself for dead.
        await self._connector.execute_query_async(_BEAT, worker=worker_id)
        # Nor others: what kept this one from its rounds, such as a server that was away, may have
        # kept them. They get as long as ever to say that they are back.
        now = time.monotonic()
        if now - self._beaten > STALLED_AFTER_SECONDS / 2:
            self._rescues_from = now + STALLED_AFTER_SECONDS
        self._beaten = now
        if now >= self._rescues_from:
            await self._rescue()
        await self._put_back_strays(worker_id)

    async def _rescue(self) -> None:
        rescued = await self._connector.execute_query_all_async(
            _RESCUE, patience=STALLED_AFTER_SECONDS
        )
        for row in rescued:
            if row["stream_name"]:
                self._complain(f"{row['stream_name']} was put back: its worker is gone")

    async def _put_back_strays(self, worker_id: int) -> None:
        """Jobs that count as ours but aren't: a broken connection swallowed the answer."""
        rows = await self._connector.execute_query_all_async(_MINE, worker=worker_id)
        strays = {row["id"] for row in rows} - set(self._running)
        # Seen twice: between fetching and starting a job it looks like one for a moment.
        for job in strays & self._suspects:
            await self._connector.execute_query_all_async(_PUT_BACK, job=job)
        self._suspects = strays
