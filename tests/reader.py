"""
What a reader of the documents has: a folder that looks like a clone, and a home of their own.

`./cli` and `.venv/bin/python` there are this test's own Python with this source tree, so that
nothing is installed. The home's server is started once per test process and stopped after it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from messagedb_agent.store.embedded import EmbeddedServer
from messagedb_agent.store.embedded.place import locate
from tests.postgres import installed_programs

ROOT = Path(__file__).parents[1]
SETTINGS = ("DATABASE_URL", "DB_", "PG", "MODEL_NAME", "MESSAGEDB_AGENT_", "MAX_ITERATIONS", "LOG_")


class Reader:
    """Runs what the documents tell people to type."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.clone = folder / "clone"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(SETTINGS)},
            "MESSAGEDB_AGENT_HOME": str(self.home),
            "PYTHONPATH": str(ROOT / "src"),
            "NO_COLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        bin_folder = self.clone / ".venv" / "bin"
        bin_folder.mkdir(parents=True)
        python = shlex.quote(sys.executable)
        _script(self.clone / "cli", f'exec {python} -P -m messagedb_agent.cli "$@"')
        _script(bin_folder / "python", f'exec {python} "$@"')
        (self.clone / "examples").symlink_to(ROOT / "examples")
        shutil.copy(ROOT / ".env.example", self.clone)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the clone; what it writes is in one text, in order."""
        return subprocess.run(
            command,
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )


def _script(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture(scope="session")
def reader() -> Iterator[Reader]:
    """One reader for all documents of a test process."""
    installed_programs()
    # Short, because of the socket's path, and open to the user that root's server runs as.
    folder = Path(tempfile.mkdtemp(prefix="mdba-", dir="/tmp"))
    folder.chmod(0o711)
    somebody = Reader(folder)
    server = EmbeddedServer(somebody.home, durable=False)
    try:
        with server.acquire():
            yield somebody
    finally:
        place = locate(somebody.home.resolve())
        server.stop()
        shutil.rmtree(place.socket_folder, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)
