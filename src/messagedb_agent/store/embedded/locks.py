"""Advisory file locks. The kernel drops them with their holder, even after `kill -9`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, flock


def open_lock(path: Path) -> int:
    """Open a lock file that exists; programs started later do not inherit it."""
    return os.open(path, os.O_RDWR | os.O_CLOEXEC)


def lock_shared(fd: int) -> None:
    """Wait for a lock that many may hold."""
    flock(fd, LOCK_SH)


def lock_exclusive(fd: int) -> None:
    """Wait for a lock that only one may hold."""
    flock(fd, LOCK_EX)


def is_held(path: Path) -> bool:
    """Whether somebody holds the lock exclusively."""
    fd = open_lock(path)
    try:
        flock(fd, LOCK_SH | LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(fd)


@contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock exclusively for a while."""
    fd = open_lock(path)
    try:
        lock_exclusive(fd)
        yield
    finally:
        os.close(fd)


def count_holders(path: Path) -> int | None:
    """How many hold the lock together; `None` where the system does not tell."""
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    inode = str(path.stat().st_ino)
    # A line is: number, FLOCK, ADVISORY, READ, process, major:minor:inode, start, end.
    return sum(
        fields[1:4:2] == ["FLOCK", "READ"] and fields[5].rsplit(":", 1)[-1] == inode
        for fields in map(str.split, locks)
        if len(fields) > 5
    )
