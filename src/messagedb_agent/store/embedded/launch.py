"""Start the server under a supervisor, or give a server without one a new guardian."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded import supervisor
from messagedb_agent.store.embedded.cluster import clean_environment
from messagedb_agent.store.embedded.locks import lock_exclusive, open_lock
from messagedb_agent.store.embedded.place import Place

# For a handful of local clients: small when idle, no replication, no helpers.
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "200",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_logical_replication_workers": "0",
    "max_worker_processes": "2",
    "max_parallel_workers": "0",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "autovacuum_max_workers": "1",
    "jit": "off",
    # Errors belong to whoever caused them. Here they would be many (each lost race for a
    # version is one), and would put messages of users into a log.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "unix_socket_permissions": "0700",
}
# Synchronous reads need no pool of IO workers, which would be three more processes.
SETTINGS_SINCE_18 = {"io_method": "sync"}
# Commits are still written before they are acknowledged, so that a killed server loses none.
SETTINGS_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
PORT = "5432"


def server_command(
    binaries: Path, place: Place, *, durable: bool, settings: Mapping[str, str]
) -> list[str]:
    """The command line of the server."""
    major = int((place.data / "PG_VERSION").read_text(encoding="ascii"))
    # A list to PostgreSQL, with SQL's rules of quoting; no TCP at all.
    sockets = '"' + str(place.socket_folder).replace('"', '""') + '"'
    chosen = {
        **SETTINGS,
        **(SETTINGS_SINCE_18 if major >= 18 else {}),
        **({} if durable else SETTINGS_NOT_DURABLE),
        **settings,
        "listen_addresses": "",
        "unix_socket_directories": sockets,
    }
    command = [str(binaries / "postgres"), "-D", str(place.data), "-p", PORT]
    for name, value in chosen.items():
        command += ["-c", f"{name}={value}"]
    return command


def start_server(command: list[str], place: Place, idle_seconds: float) -> None:
    """Start a supervisor that starts the server; returns before the server is ready."""
    _spawn(place, idle_seconds, ["run", *command])


def adopt_server(pid: int, place: Place, idle_seconds: float) -> None:
    """Start a supervisor for a server that has lost its own."""
    _spawn(place, idle_seconds, ["watch", str(pid)])


def _spawn(place: Place, idle_seconds: float, task: list[str]) -> None:
    guard = lease = log = -1
    try:
        # Taken here and handed down: there is no moment in which a supervisor is on its way
        # and the lock is free. And open before the supervisor gives up root's rights.
        guard = open_lock(place.guard_lock)
        lock_exclusive(guard)
        lease = open_lock(place.lease_lock)
        log = os.open(place.log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        account = place.account
        uid, gid = (account.uid, account.gid) if account.is_other else (-1, -1)
        options = [str(value) for value in (idle_seconds, uid, gid, guard, lease)]
        script = Path(supervisor.__file__)
        # The program forks and returns at once, so that the caller never has a child to reap.
        subprocess.run(  # noqa: S603  our own program, no shell
            [sys.executable, "-I", "-S", script, *options, *task],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=clean_environment(),
            pass_fds=(guard, lease),
            start_new_session=True,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedServerError(
            f"can not start the database's supervisor: {error}; see {place.log}"
        ) from error
    finally:
        for fd in (guard, lease, log):
            if fd >= 0:
                os.close(fd)
