"""
The genuine Message DB, fetched as the development tool that `package.json` names.

It is kept in a cache folder outside of the repository and fetched once, with npm if there is one.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import http.client
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors

HERE = Path(__file__).parent
PACKAGE = "node_modules/@eventide/message-db"

ORDER = ("schema", "roles", "tables", "types", "functions", "indexes", "views", "privileges")
"""The folders of the package as its installer goes through them, but for the pgcrypto extension."""


class NotAvailableError(Exception):
    """The package is not in the cache and can not be fetched."""


def sql_folder() -> Path:
    """Where the SQL files are; fetches them at the first call on a machine."""
    package = locked_package()
    cache = cache_folder()
    target = cache / f"message-db-{package['version']}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "message-db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # other test processes want it too
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                _fetch(package, Path(scratch)).rename(target)
    return target / "database"


def cache_folder() -> Path:
    """`MESSAGEDB_AGENT_CACHE`, or the usual place in the home folder."""
    chosen = os.environ.get("MESSAGEDB_AGENT_CACHE")
    return Path(chosen) if chosen else Path.home() / ".cache" / "messagedb-agent"


def locked_package() -> dict[str, Any]:
    """What the lock file says about the package: version, address, integrity."""
    lock = json.loads((HERE / "package-lock.json").read_text())
    package: dict[str, Any] = lock["packages"][PACKAGE]
    return package


def install(connection: psycopg.Connection[Any], folder: Path) -> None:
    """Apply the files as the genuine installer does, in one transaction."""
    with connection.transaction():
        # Its functions find one another by the search path only.
        connection.execute("SET LOCAL search_path TO message_store, public")
        for part in ORDER:
            for file in sorted((folder / part).glob("*.sql")):
                _apply(connection, file)


def _apply(connection: psycopg.Connection[Any], file: Path) -> None:
    try:
        with connection.transaction():
            connection.execute(file.read_bytes())
    except errors.UniqueViolation:
        # Another test process has created the role at this moment.
        assert file.parent.name == "roles", file


def _fetch(package: dict[str, Any], scratch: Path) -> Path:
    npm = shutil.which("npm")
    if npm is not None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, scratch)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"]
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(command, cwd=scratch, capture_output=True, check=True, timeout=60)
            return scratch / PACKAGE
    return download(package, scratch)


def download(package: dict[str, Any], scratch: Path) -> Path:
    """Fetch the package without npm, and refuse it if it is not the one that was locked."""
    try:
        with urllib.request.urlopen(package["resolved"], timeout=30) as response:
            archive: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise NotAvailableError(f"the npm package @eventide/message-db: {error}") from error
    unpack(archive, package["integrity"], scratch)
    return scratch / "package"


def unpack(archive: bytes, integrity: str, folder: Path) -> None:
    """Unpack an npm archive whose digest is the given one."""
    algorithm, _, digest = integrity.partition("-")
    if hashlib.new(algorithm, archive).digest() != base64.b64decode(digest):
        raise ValueError(f"the archive of @eventide/message-db does not match its {algorithm}")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
