"""Create the database cluster: all of it, or nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.account import Account
from messagedb_agent.store.embedded.home import VARIABLE
from messagedb_agent.store.embedded.lease import DATABASE, USER
from messagedb_agent.store.embedded.messages import reason
from messagedb_agent.store.embedded.place import Place, make_private

# Anybody who reaches the socket may log in, without a password. That is safe because only
# the owner (and root) can enter the socket's folder, and the server listens nowhere else.
INITDB_OPTIONS = (
    f"--username={USER}",
    "--auth=trust",
    "--encoding=UTF8",
    "--no-locale",
    "--no-instructions",
    "--wal-segsize=4",
    "--no-sync",
)
# Renaming the empty default database takes 20 ms; creating another one takes 100 ms and 7 MB.
NAME_DATABASE = f"ALTER DATABASE postgres RENAME TO {DATABASE}\n"
PATIENCE = 300


def clean_environment() -> dict[str, str]:
    """What PostgreSQL's programs need from ours: no secrets, no PG* settings, no language."""
    kept = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
    # With TZ set, initdb does not search the time zone files for the system's.
    return {k: os.environ[k] for k in kept if k in os.environ} | {"LC_ALL": "C", "TZ": "UTC"}


def create_cluster(binaries: Path, place: Place, *, durable: bool) -> None:
    """Make the data directory under another name, then move it into place."""
    # A fresh name each time: an initdb whose parent was killed may still be writing.
    for abandoned in place.root.glob("data.*.new"):
        shutil.rmtree(abandoned, ignore_errors=True)
    new = place.root / f"data.{os.urandom(4).hex()}.new"
    make_private(new, place.account)
    try:
        _run(place.account, binaries / "initdb", f"--pgdata={new}", *INITDB_OPTIONS)
        single = (binaries / "postgres", "--single", "-F", "-c", "exit_on_error=on", "-D", new)
        _run(place.account, *single, "template1", typed=NAME_DATABASE)
        if durable:
            _run(place.account, binaries / "initdb", f"--pgdata={new}", "--sync-only")
        new.rename(place.data)
        if durable:
            _sync_folder(place.root)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _run(account: Account, *command: str | Path, typed: str = "") -> None:
    become: dict[str, Any] = {}
    if account.is_other:
        become = {"user": account.uid, "group": account.gid, "extra_groups": []}
    try:
        ended = subprocess.run(  # noqa: S603  programs we chose, no shell
            command,
            input=typed.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=clean_environment(),
            timeout=PATIENCE,
            check=False,
            **become,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EmbeddedServerError(f"can not create the database: {error}") from error
    if ended.returncode:
        why = reason(ended.stdout.decode(errors="replace"))
        # PostgreSQL insists on a name, which a bare user id in a container does not have.
        nameless = "could not look up" in why
        advice = "give the user a name" if nameless else "free some space, or set " + VARIABLE
        raise EmbeddedServerError(
            f"can not create the database: {why}; {advice}, or set DATABASE_URL"
        )


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
