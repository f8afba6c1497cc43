"""What the tests of the private server share: clients as processes, kills, and patience."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from messagedb_agent.store.embedded import EmbeddedServer, find_binaries
from messagedb_agent.store.embedded.place import locate
from messagedb_agent.store.embedded.probe import read_pid_file

SOURCE = Path(__file__).parents[3] / "src"
PYTHONPATH = os.pathsep.join([str(SOURCE), os.environ.get("PYTHONPATH", "")])
CLIENT = """
import sys
from pathlib import Path
from messagedb_agent.store.embedded import EmbeddedServer, find_binaries
lease = EmbeddedServer(Path(sys.argv[1]), idle_seconds=float(sys.argv[2]), durable=False).acquire()
print(lease.how, flush=True)
sys.stdin.read()
"""


class Client:
    """Another process that holds the server until its standard input ends or it is killed."""

    def __init__(self, home: Path, idle_seconds: float = 120.0, code: str = CLIENT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(home), str(idle_seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": PYTHONPATH},
        )

    def how(self) -> str:
        """How it got its lease; waits for it."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise AssertionError(self.finish()[1])
        return line

    def finish(self) -> tuple[str, str]:
        return self.process.communicate(timeout=60)

    def kill(self) -> None:
        self.process.kill()
        self.finish()


def postmaster(home: Path) -> int:
    return read_pid_file(locate(home))[0]


def supervisor(home: Path) -> int:
    """The parent of the server."""
    status = Path(f"/proc/{postmaster(home)}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def is_gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def quick(home: Path, idle_seconds: float = 120.0) -> EmbeddedServer:
    return EmbeddedServer(home, idle_seconds=idle_seconds, durable=False)


def run(conninfo: dict[str, str], statement: str) -> None:
    """Execute and commit."""
    import psycopg

    with psycopg.connect(psycopg.conninfo.make_conninfo(**conninfo)) as connection:
        connection.execute(statement.encode())


def psql(url: str, query: str) -> str:
    """What psql prints for a query."""
    program = str(find_binaries(os.environ) / "psql")
    return subprocess.check_output([program, url, "-Atc", query], text=True)


def ask(conninfo: dict[str, str], query: str) -> str:
    """The one value that a query returns."""
    import psycopg

    with psycopg.connect(psycopg.conninfo.make_conninfo(**conninfo)) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return str(row[0])
