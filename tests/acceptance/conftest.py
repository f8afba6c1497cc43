"""The command line as its users start it: a process of its own, on a real database."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from messagedb_agent.store import schema
from tests.postgres import NewDatabase
from tests.warm import Ended, Warm


class Cli:
    """Starts commands in a folder of their own, on a database of their own."""

    def __init__(self, warm: Warm, database: str, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.environment: dict[str, str] = {
            **warm.environment,
            "DATABASE_URL": database,
            "MESSAGEDB_AGENT_HOME": str(folder / "home"),
        }
        self._warm = warm

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[bytes]:
        """A command that runs on its own, from the start of Python on."""
        return subprocess.Popen(
            [sys.executable, "-m", "messagedb_agent.cli", *arguments],
            cwd=self.folder,
            env={**self.environment, **(env or {})},
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **options,
            },
        )

    def __call__(
        self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None
    ) -> Ended:
        """A command, until it has ended; its imports were made before."""
        environment = {**self.environment, **(env or {})}
        return self._warm.run(*arguments, cwd=self.folder, environment=environment, stdin=stdin)

    def cold(self, *arguments: str, env: Mapping[str, str] | None = None) -> Ended:
        """A command, from the start of Python until it has ended."""
        process = self.start(*arguments, env=env)
        out, err = process.communicate(timeout=60)
        return Ended(process.returncode, out.decode(), err.decode())

    def ask(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """A run with `--format json`, which must end well."""
        ended = self(*arguments, "--format", "json", **options)
        assert ended.code == 0, ended.err
        result: dict[str, Any] = ended.json()
        return result

    def events(self, thread: str, *options: str) -> list[dict[str, Any]]:
        """What `show --format json` prints."""
        ended = self("show", thread, "--format", "json", *options)
        assert ended.code == 0, ended.err
        shown: list[dict[str, Any]] = ended.json()
        return shown

    def types(self, thread: str) -> list[str]:
        return [event["type"] for event in self.events(thread)]

    def script(self, name: str, *steps: Mapping[str, Any], repeat: bool = False) -> str:
        """The name of a scripted model with these answers."""
        file = self.folder / f"{name}.json"
        file.write_text(json.dumps({"steps": list(steps), "repeat": repeat}))
        return f"scripted:{file}"

    def sql(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a plain SQL query."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


def with_schema(database: str) -> str:
    with psycopg.connect(database, autocommit=True) as connection:
        schema.install(connection)
    return database


@pytest.fixture
def cli(warm: Warm, server: NewDatabase, tmp_path: Path) -> Cli:
    """A command line on a database of its own."""
    return Cli(warm, with_schema(server()), tmp_path)


@pytest.fixture(scope="session")
def idle_cli(warm: Warm, server: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """A command line on a shared database, for commands that must not write anything."""
    return Cli(warm, with_schema(server()), tmp_path_factory.mktemp("idle"))
