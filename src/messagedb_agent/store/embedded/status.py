"""What is known about a private server."""

from __future__ import annotations

import os
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.binaries import find_binaries, version_of
from messagedb_agent.store.embedded.locks import count_holders
from messagedb_agent.store.embedded.place import Place
from messagedb_agent.store.embedded.probe import is_ready, live_postmaster


class ServerStatus:
    """A look at a server; it may have changed by the time you read it."""

    __slots__ = (
        "data_directory",
        "holders",
        "log_path",
        "pid",
        "running",
        "size_bytes",
        "socket_directory",
        "version",
    )

    def __init__(self, place: Place) -> None:
        self.running: bool = is_ready(place)
        self.pid: int | None = live_postmaster(place) or None
        self.data_directory: Path = place.data
        self.socket_directory: Path = place.socket_folder
        self.log_path: Path = place.log
        self.version: str | None = _version(place)
        """Of the programs that run the server, or would; `None` if there are none."""
        self.size_bytes: int = _size(place.data)
        self.holders: int | None = count_holders(place.lease_lock) if self.exists else 0
        """How many leases there are, ours included; `None` where the system does not tell."""

    @property
    def exists(self) -> bool:
        """Whether the database was ever created."""
        return self.data_directory.exists()


def _version(place: Place) -> str | None:
    major = place.data / "PG_VERSION"
    try:
        text = major.read_text(encoding="ascii").strip() if major.exists() else None
        return version_of(find_binaries(os.environ, major=text))
    except EmbeddedServerError:
        return None


def _size(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            try:
                total += Path(parent, name).lstat().st_size
            except FileNotFoundError:
                # The server removes files while we count.
                continue
    return total
