"""Kills, stops and races the processes of the nursery, and looks at what is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from messagedb_agent.engine.session import add_message
from messagedb_agent.errors import AgentError
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import parse_stream_name
from tests.engine.helpers import new_stream
from tests.soak import nursery
from tests.soak.checks import too_few_answers, what_is_wrong
from tests.soak.nursery import Notes

DRIVERS = 8
MESSAGES = 100
LAST_TRIES = 20


class Nursery:
    """Starts copies of one prepared process."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout
        self.folder = folder

    def start(self, stream: str, command: str = "drive") -> int:
        """A copy that drives the thread; its number."""
        return int(self._ask(f"{command} {stream}"))

    def wait(self, number: int) -> tuple[int, str]:
        """How a copy ended, and what it said."""
        status = int(self._ask(f"wait {number}"))
        said = self.folder / f"{number}.out"
        text = said.read_text() if said.exists() else ""
        said.unlink(missing_ok=True)
        return status, text.strip()

    def _ask(self, line: str) -> str:
        self._in.write(f"{line}\n")
        self._in.flush()
        return self._out.readline()


@contextmanager
def nursery_for(dsn: str, folder: Path) -> Iterator[Nursery]:
    """A nursery for threads of this database."""
    process = subprocess.Popen(
        [sys.executable, str(Path(nursery.__file__)), dsn, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Nursery(process, folder)
        process.kill()


class Harness:
    """
    Each round takes a new thread through one kind of trouble, and then to its end.

    `findings` tells what was wrong afterwards, round by round, and `kills` counts.
    """

    def __init__(
        self,
        copies: Nursery,
        client: MessageDBClient,
        dsn: str,
        seed: int,
        messages: int = MESSAGES,
    ) -> None:
        self._copies = copies
        self._client = client
        self._dsn = dsn
        self._dice = random.Random(seed)
        self._messages = messages
        self.kills = 0
        self.interrupted = 0
        self.findings: list[str] = []
        began = time.monotonic()
        self.finish(new_stream(), "an undisturbed run")
        self.usual = time.monotonic() - began

    def killed(self, times: int) -> None:
        """One driver after the other is killed at some instant."""
        stream = new_stream()
        for _ in range(times):
            self._kill(self._copies.start(stream), signal.SIGKILL)
        self.finish(stream, "killed")

    def raced(self, victims: int) -> None:
        """Many drivers want the same thread at once, and some of them are killed."""
        stream = new_stream()
        racers = [
            self._copies.start(stream, self._dice.choice(("drive", "try"))) for _ in range(DRIVERS)
        ]
        for victim in self._dice.sample(racers, victims):
            self._kill(victim, signal.SIGKILL)
            racers.remove(victim)
        for racer in racers:
            self._copies.wait(racer)
        self.finish(stream, "raced")

    def woken(self) -> None:
        """A driver is stopped, taken for dead by the server, and goes on beside its successor."""
        stream = new_stream()
        zombie = self._copies.start(stream)
        self._pause()
        os.kill(zombie, signal.SIGSTOP)
        self.free_locks_of(zombie)
        successor = self._copies.start(stream)
        self._pause()
        os.kill(zombie, signal.SIGCONT)
        self._copies.wait(zombie)
        self._copies.wait(successor)
        self.finish(stream, "woken")

    def talked(self, victims: int) -> None:
        """Somebody goes on talking while drivers are killed."""
        stream = new_stream()
        driver = self._copies.start(stream)
        said = []
        for number in range(self._messages):
            with suppress(AgentError):  # there is no thread yet, or its server is away for long
                add_message(self._client, stream, f"message {number}")
                said.append(f"message {number}")
            if self._dice.random() < victims / self._messages:
                self._kill(driver, signal.SIGKILL)
                driver = self._copies.start(stream)
        self._copies.wait(driver)
        self.finish(stream, "talked")
        heard = [getattr(record.event, "message", "") for record in self._client.read(stream)]
        if [text for text in heard if text.startswith("message")] != said:
            self.findings.append(f"talked {stream}: not all that was said is there, in order")

    def finish(self, stream: str, kind: str) -> None:
        """Drive the thread to its end, and look."""
        status, said = 1, ""
        for _ in range(LAST_TRIES):
            status, said = self._copies.wait(self._copies.start(stream))
            if not status:
                break
        if status:
            self.findings.append(f"{kind} {stream}: does not come to an end: {said}")
        history = list(self._client.read(stream))
        notes = Notes(self._copies.folder, parse_stream_name(stream).thread_id).all()
        wrong = what_is_wrong(history, notes, self._bookings(stream), nursery.CALLS)
        wrong += too_few_answers(history, nursery.ANSWERS)
        self.findings += [f"{kind} {stream}: {text}" for text in wrong]

    def free_locks_of(self, number: int) -> None:
        """End the sessions of a process, as the server does when it takes it for dead."""
        self._client.query(
            lambda connection: connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name LIKE %s",
                (f"messagedb-agent %:{number}",),
            )
        )

    def _kill(self, number: int, how: signal.Signals) -> None:
        self._pause()
        os.kill(number, how)
        status, _ = self._copies.wait(number)
        self.kills += 1
        self.interrupted += status != 0

    def _pause(self) -> None:
        time.sleep(self._dice.uniform(0, self.usual))  # the instant is to be random

    def _bookings(self, stream: str) -> list[str]:
        return bookings(self._client, parse_stream_name(stream).thread_id)


def bookings(client: MessageDBClient, thread_id: str) -> list[str]:
    """What transactional calls of a thread have left in the table."""
    return client.query(
        lambda connection: [
            row[0]
            for row in connection.execute(
                "SELECT entry FROM bookings WHERE thread = %s", (thread_id,)
            )
        ]
    )


def prepare(dsn: str) -> None:
    """The table that the transactional tool writes to."""
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bookings (thread text, entry text)")
