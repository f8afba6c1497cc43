"""A worker process: fetches jobs with Procrastinate and drives their threads."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import procrastinate
from procrastinate.worker import Worker

from messagedb_agent.store.connections import connection_settings
from messagedb_agent.workers.connector import PatientConnector
from messagedb_agent.workers.driver import Driver
from messagedb_agent.workers.jobs import Jobs
from messagedb_agent.workers.queue import DEFAULT_QUEUE
from messagedb_agent.workers.rounds import Rounds

if sys.platform == "win32":
    from asyncio import new_event_loop
else:
    from uvloop import new_event_loop

POLL_SECONDS = 2.0
"""How often the queue is looked at without a notification: the precision of its timers."""

RESTART_SECONDS = 1.0
_A_DAY_SECONDS = 86400.0


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one worker works. `grace_seconds` is what a running step gets when it leaves."""

    queue: str = DEFAULT_QUEUE
    concurrency: int = 10
    grace_seconds: float = 20.0


def instance_name() -> str:
    """A name for this worker, which its sessions bear too."""
    return f"agent-worker {uuid4().hex[:8]} {socket.gethostname()[:24]}:{os.getpid()}"


def worker_conninfo(conninfo: Mapping[str, Any], name: str) -> dict[str, Any]:
    """
    The connection parameters of a worker's store.

    The server asks within seconds whether the worker's machine still lives, and lets go of
    its threads if not.
    """
    settings = connection_settings(conninfo)
    alive = "tcp_keepalives_idle=5", "tcp_keepalives_interval=2", "tcp_keepalives_count=3"
    options = " ".join([str(settings["options"]), *(f"-c {option}" for option in alive)])
    return {**settings, "application_name": name, "options": options}


class WorkerService:
    """
    One worker. `serve` returns once it was told to stop and has handed everything over.

    The first SIGTERM or SIGINT stops it gracefully: no more jobs, and each thread goes on
    elsewhere after its running step. A second one, or the end of the grace, makes it leave
    at once, which is as good as a crash, and that is good.
    """

    def __init__(
        self,
        name: str,
        conninfo: Mapping[str, Any],
        driver: Driver,
        settings: WorkerSettings,
        complain: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.name = name
        self._driver = driver
        self._settings = settings
        self._complain = complain
        self._leaving = asyncio.Event()
        self._at_once = asyncio.Event()
        self._running: set[int] = set()
        self._worker: Worker | None = None
        self._connector = PatientConnector(
            {**conninfo, "application_name": name}, self._leaving.is_set
        )
        self._app = procrastinate.App(connector=self._connector)
        self._executor = ThreadPoolExecutor(settings.concurrency, thread_name_prefix="drive")
        self._app.task(name="messagedb_agent.drive", pass_context=True)(self._perform)
        self._rounds = Rounds(
            self._connector,
            name=name,
            queue=settings.queue,
            concurrency=settings.concurrency,
            running=self._running,
            complain=complain,
        )

    def serve(self, ready: Callable[[], None] = lambda: None) -> bool:
        """
        Work until a signal comes. False when steps were left unfinished.

        The caller has to end the process then: their threads run on.
        """
        # Not asyncio.run, which would wait for them.
        return new_event_loop().run_until_complete(self._serve(ready))

    async def _serve(self, ready: Callable[[], None]) -> bool:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_ignore)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        async with self._app.open_async():
            working = asyncio.create_task(self._work(ready))
            leaving = asyncio.create_task(self._leaving.wait())
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            at_once = asyncio.create_task(self._at_once.wait())
            await asyncio.wait(
                (working, at_once),
                timeout=self._settings.grace_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if working.done():
                working.result()
                return True
            await self._give_up_jobs()
            return False

    def stop(self) -> None:
        """Leave gracefully; asked twice, leave now."""
        if self._leaving.is_set():
            self._at_once.set()
            return
        self._leaving.set()
        self._driver.leave()
        if self._worker is not None:
            self._worker.stop()

    async def _work(self, ready: Callable[[], None]) -> None:
        while not self._leaving.is_set():
            # What was waited for may have been a signal.
            self._worker = worker = self._new_worker()
            rounds = asyncio.create_task(self._rounds.run(worker))
            ready()
            try:
                await worker.run()
            except Exception as error:  # noqa: BLE001 - whatever it was, a worker goes on
                if not self._leaving.is_set():
                    self._complain(f"the queue failed ({error}); starting again")
            finally:
                rounds.cancel()
            if not self._leaving.is_set():
                await asyncio.sleep(RESTART_SECONDS)

    def _new_worker(self) -> Worker:
        self._app.job_manager = Jobs(self._connector, self._settings.concurrency)
        return Worker(
            self._app,
            queues=[self._settings.queue],
            name=None,
            concurrency=self._settings.concurrency,
            fetch_job_polling_interval=POLL_SECONDS,
            delete_jobs="successful",
            install_signal_handlers=False,
            # The rounds do both, also while the last steps end.
            update_heartbeat_interval=_A_DAY_SECONDS,
            stalled_worker_timeout=_A_DAY_SECONDS,
        )

    async def _perform(
        self,
        context: procrastinate.JobContext,
        stream_name: str,
        tries: int = 0,
        waits_since: float | None = None,
        only_time: bool = False,  # noqa: FBT001, FBT002 - the queue passes arguments by name
    ) -> None:
        number = context.job.id
        assert number is not None, "a fetched job has an id"
        self._running.add(number)
        try:
            driver = self._driver
            drive = partial(driver.drive, tries=tries, waits_since=waits_since)
            work = driver.keep_time if only_time else drive
            # The loop's own threads stay free: looking up the server's address needs one.
            await asyncio.get_running_loop().run_in_executor(self._executor, work, stream_name)
        finally:
            self._running.discard(number)

    async def _give_up_jobs(self) -> None:
        """Let others see at once that nobody works on them any more."""
        if self._worker is not None and self._worker.worker_id is not None:
            await self._app.job_manager.unregister_worker(self._worker.worker_id)


def _ignore(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A job that was put back can't be finished here any more, which is as it should be."""
    logging.getLogger(__name__).debug("%s", context.get("exception") or context.get("message"))
