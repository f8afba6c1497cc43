"""Homes for private servers, and nothing left of them afterwards."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.place import locate, prepare, refuges

from .helpers import is_gone, kill, postmaster, quick

NewHome = Callable[[Path], Path]


@pytest.fixture
def cleaned() -> Iterator[NewHome]:
    """Registers a home, so that its server and everything outside of it are removed."""
    homes: list[Path] = []

    def register(home: Path) -> Path:
        homes.append(home)
        return home

    yield register
    for home in homes:
        place = locate(home.resolve())
        try:
            quick(home).stop()
        except EmbeddedServerError:
            if not is_gone(pid := postmaster(home)):
                kill(pid)
        shutil.rmtree(place.socket_folder, ignore_errors=True)
        shutil.rmtree(place.root, ignore_errors=True)
        for refuge in refuges(home.resolve()):
            if refuge.exists():
                shutil.rmtree(refuge)
                with contextlib.suppress(OSError):
                    refuge.parent.rmdir()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder with a short name that every user may pass through, unlike `tmp_path`."""
    folder = Path(tempfile.mkdtemp(prefix="mdba-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def home(open_folder: Path, cleaned: NewHome) -> Path:
    """A home for a server that does not exist yet."""
    return cleaned(open_folder / "home")


@pytest.fixture(scope="session")
def database() -> Iterator[Path]:
    """A data directory to copy, which is faster than to create one for each test."""
    folder = Path(tempfile.mkdtemp(prefix="mdba-", dir="/tmp"))
    folder.chmod(0o711)
    server = quick(folder / "home")
    server.start()
    server.stop()
    yield server.status().data_directory
    shutil.rmtree(folder)


@pytest.fixture
def used_home(home: Path, database: Path) -> Path:
    """A home whose database exists and whose server is stopped."""
    # Unlike Python's copies, this keeps the owner.
    subprocess.run(["cp", "-a", database, prepare(home).data], check=True)
    return home
