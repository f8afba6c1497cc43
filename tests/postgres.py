"""
A PostgreSQL server for tests: the one `DATABASE_URL` or `DB_HOST` names, or a throwaway one.

The throwaway server's programs are those that the embedded server would use. It listens on a Unix
socket, unless asked otherwise, and forgets everything.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.account import Account
from messagedb_agent.store.embedded.binaries import find_binaries
from messagedb_agent.store.embedded.place import Place
from messagedb_agent.store.embedded.private_copy import usable_binaries

NewDatabase: TypeAlias = Callable[[], str]
"""Creates an empty database and returns its connection string."""

_SETTINGS = {
    "autovacuum": "off",
    "full_page_writes": "off",
    "fsync": "off",
    "jit": "off",
    "listen_addresses": "",
    "max_connections": "40",
    "shared_buffers": "64MB",
    "synchronous_commit": "off",
    "timezone": "UTC",
}


@pytest.fixture(scope="session")
def server() -> Iterator[NewDatabase]:
    """Gives a function that makes new databases, on one server for each test process."""
    if url := GIVEN:
        with _databases(url) as new_database:
            yield new_database
    else:
        with throwaway_server() as dsn:
            # They go with their server; to drop hundreds first takes ten seconds.
            yield lambda: _create_database(dsn)[1]


class ThrowawayServer:
    """A server that can be stopped and started; `dsn` stays the same."""

    def __init__(
        self, binaries: Path, place: Place, port: int | None, settings: Mapping[str, str]
    ) -> None:
        self._binaries = binaries
        self._place = place
        self._options = {**_SETTINGS, **settings}
        host = {"host": str(place.root)}
        if port is not None:
            self._options |= {"listen_addresses": "127.0.0.1", "port": str(port)}
            host = {"host": "127.0.0.1", "port": str(port)}
        self.dsn = make_conninfo(**host, user="postgres", dbname="postgres")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = [f"-c{name}={value}" for name, value in self._options.items()]
        self._process = subprocess.Popen(
            [str(self._binaries / "postgres"), "-D", str(self._place.data),
             "-k", str(self._place.root), *options],
            cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            **_as_user(self._place.account),
        )  # fmt: skip
        _wait_until_up(self._process, self.dsn)

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it; by default at once, without waiting for clients or writing anything."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Stop all of its processes where they are; connections stay, and nobody answers."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """Let its processes go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, what: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        if not children.exists():
            pytest.skip("the children of a process are told by Linux only")
        for number in (pid, *map(int, children.read_text().split())):
            os.kill(number, what)


def _given() -> str | None:
    """The server that the environment names, by DATABASE_URL or by DB_HOST and its like."""
    if url := os.environ.get("DATABASE_URL"):
        return url
    names = {"DB_HOST": "host", "DB_PORT": "port", "DB_NAME": "dbname"}
    names |= {"DB_USER": "user", "DB_PASSWORD": "password"}
    given = {key: os.environ[name] for name, key in names.items() if os.environ.get(name)}
    defaults = {"host": "localhost", "port": "5433", "dbname": "message_store"}
    return make_conninfo(**{**defaults, "user": "postgres", **given}) if given else None


GIVEN = _given()
"""Looked up once: what a test puts into the environment is not about the tests' own server."""


@contextmanager
def throwaway_server() -> Iterator[str]:
    """A server of one's own, for what touches all databases of a server, such as roles."""
    with controlled_server() as server:
        yield server.dsn


@contextmanager
def controlled_server(*, tcp: bool = False, **settings: str) -> Iterator[ThrowawayServer]:
    """
    A server of one's own, to stop and start; with `tcp` it listens on a port as well.

    What was committed is lost in a crash unless `synchronous_commit="on"` is among the settings.
    """
    installed = installed_programs()
    # Socket paths may have no more than about 100 characters, so not below pytest's own folder.
    home = Path(tempfile.mkdtemp(prefix="mdba-", dir="/tmp"))
    try:
        place = Place(home)
        binaries = usable_binaries(installed, place)
        _create(binaries, place)
        server = ThrowawayServer(binaries, place, free_port() if tcp else None, settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def free_port() -> int:
    """A TCP port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def installed_programs() -> Path:
    """The folder with `initdb` and `postgres` in it; without one, the test is skipped."""
    try:
        return find_binaries(os.environ)
    except EmbeddedServerError as error:
        pytest.skip(str(error))


def _wait_until_up(process: subprocess.Popen[bytes], dsn: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(dsn, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


@contextmanager
def _databases(dsn: str) -> Iterator[NewDatabase]:
    created: list[sql.Identifier] = []

    def new_database() -> str:
        name, database = _create_database(dsn)
        created.append(name)
        return database

    try:
        yield new_database
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            for database in created:
                connection.execute(
                    sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(database)
                )


def _create_database(dsn: str) -> tuple[sql.Identifier, str]:
    name = f"test_{uuid4().hex}"
    identifier = sql.Identifier(name)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(identifier)
        )
    return identifier, make_conninfo(dsn, dbname=name)


def _create(binaries: Path, place: Place) -> None:
    account = place.account
    if account.is_other:
        os.chown(place.root, account.uid, account.gid)
    subprocess.run(
        [str(binaries / "initdb"), "-D", str(place.data), "-U", "postgres", "-A", "trust",
         "-E", "UTF8", "--no-locale", "--no-sync"],
        check=True, cwd="/", capture_output=True, **_as_user(account),
    )  # fmt: skip


def _as_user(account: Account) -> dict[str, Any]:
    if not account.is_other:
        return {}
    return {"user": account.uid, "group": account.gid, "extra_groups": []}
