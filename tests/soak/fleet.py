"""Workers that are killed, frozen and started again, and the threads that this hits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.store.client import MessageDBClient

LEAVING_SECONDS = 60.0

_DRIVEN = """
    SELECT job.lock FROM agent_queue.procrastinate_jobs AS job
    JOIN agent_queue.instances AS instance USING (worker_id)
    WHERE instance.pid = %s AND job.status = 'doing'
"""


class Orphan(NamedTuple):
    """A thread whose worker was killed or frozen while it drove it, and when."""

    stream_name: str
    since: datetime
    how: str


class Fleet:
    """So many workers; one that is killed is started again."""

    def __init__(
        self, client: MessageDBClient, dsn: str, folder: Path, count: int, *arguments: str
    ) -> None:
        self._client = client
        self._command = [sys.executable, "-m", "tests.soak.worker", dsn, str(folder), *arguments]
        self._log = folder / "workers.log"
        self._workers = [self._start() for _ in range(count)]
        self._left: list[subprocess.Popen[bytes]] = []
        self._frozen: int | None = None
        self.orphans: list[Orphan] = []
        self.unseen: list[datetime] = []
        self.kills = 0

    def said(self) -> str:
        """What all workers have complained about, and that they were ready."""
        return self._log.read_text("utf-8")

    def replace(self, number: int, how: signal.Signals) -> None:
        """Kill a worker, or let it leave, and start another in its place; not a frozen one."""
        if number == self._frozen:
            return
        self._hit(number, how)
        if how == signal.SIGKILL:
            self._workers[number].wait()
        else:
            self._left.append(self._workers[number])
        self._workers[number] = self._start()
        self.kills += 1

    def freeze(self, number: int) -> None:
        """Stop a worker where it is; it is not killed while it is frozen."""
        self._hit(number, signal.SIGSTOP)
        self._frozen = number

    def thaw(self) -> None:
        """Let the frozen worker go on."""
        if self._frozen is not None:
            self._workers[self._frozen].send_signal(signal.SIGCONT)
            self._frozen = None

    def leave(self) -> list[str]:
        """Have all workers leave gracefully; who does not is told."""
        for worker in self._workers:
            worker.send_signal(signal.SIGTERM)
        found = []
        for worker in (*self._workers, *self._left):
            with suppress(subprocess.TimeoutExpired):
                worker.wait(LEAVING_SECONDS)
            # One that was only just started does not listen to signals yet.
            if worker.returncode not in (0, -signal.SIGTERM):
                found.append(f"a worker left with {worker.returncode}")
        return found

    def end(self) -> None:
        """Leave no process behind."""
        for worker in (*self._workers, *self._left):
            if worker.poll() is None:
                worker.kill()
            worker.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    "PYTHONFAULTHANDLER": "1",
                },
            )

    def _hit(self, number: int, how: signal.Signals) -> None:
        worker = self._workers[number]
        driven = self._driven_by(worker.pid)
        worker.send_signal(how)
        now = datetime.now(UTC)
        if driven is None:
            self.unseen.append(now)
        elif how != signal.SIGTERM:
            self.orphans += [Orphan(stream, now, how.name) for stream in driven]

    def _driven_by(self, pid: int) -> list[str] | None:
        """The threads that a worker drives; None while the server is away."""
        with suppress(psycopg.Error, StoreUnavailableError), self._client.connection() as own:
            return [row[0] for row in own.execute(_DRIVEN, (pid,))]
        return None
