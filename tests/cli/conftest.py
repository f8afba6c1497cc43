"""The command line within the test's own process, on a database that the tests share."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from uuid import uuid4

import psycopg
import pytest

from messagedb_agent.cli.main import main
from messagedb_agent.events.base import Event
from messagedb_agent.store import schema
from messagedb_agent.store.analytics import install_views
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from tests.postgres import NewDatabase


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Command: TypeAlias = Callable[..., Ended]
Past: TypeAlias = Callable[[Sequence[Event]], str]


@pytest.fixture(scope="session")
def cli_dsn(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn, autocommit=True) as connection:
        schema.install(connection)
        install_views(connection)
    return dsn


@pytest.fixture
def category() -> str:
    """The category of one test, as `--category` takes it."""
    return f"c{uuid4().hex}"


class Terminal(io.StringIO):
    """A stdout that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]  # StringIO has none, terminals do
        return "utf-8"


@pytest.fixture
def command(
    cli_dsn: str,
    category: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """Runs a command in an empty folder; `terminal` gives it a stdout with colours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", cli_dsn)
    monkeypatch.setenv("MESSAGEDB_AGENT_HOME", str(tmp_path / "home"))
    for name in ("MODEL_NAME", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, stdin: str = "", terminal: bool = False) -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        if not terminal:
            code = main([*arguments, "--category", category])
            return Ended(code, *capsys.readouterr())
        with monkeypatch.context() as patch:
            screen = Terminal()
            patch.setenv("TERM", "xterm")
            patch.setattr(sys, "stdout", screen)
            code = main([*arguments, "--category", category])
        return Ended(code, screen.getvalue(), capsys.readouterr().err)

    return run


@pytest.fixture
def past(cli_dsn: str, category: str) -> Past:
    """Writes the events of a new thread; gives its id."""

    def write(events: Sequence[Event]) -> str:
        thread_id = uuid4().hex
        with MessageDBClient({"dbname": cli_dsn}) as store:
            new = [NewEvent(event=event) for event in events]
            store.append(f"{category}:v0-{thread_id}", new)
        return thread_id

    return write
