from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from messagedb_agent.store.embedded.locks import (
    count_holders,
    holding,
    is_held,
    lock_shared,
    open_lock,
)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "lock"
    path.touch()
    return path


def test_a_lock_is_held_until_it_is_left(lock: Path) -> None:
    with holding(lock):
        assert is_held(lock)

    assert not is_held(lock)


def test_looking_at_a_lock_does_not_disturb_those_who_share_it(lock: Path) -> None:
    fd = open_lock(lock)
    lock_shared(fd)

    assert not is_held(lock)
    os.close(fd)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_those_who_share_a_lock_can_be_counted(lock: Path) -> None:
    fds = [open_lock(lock) for _ in range(3)]
    for fd in fds:
        lock_shared(fd)

    assert count_holders(lock) == 3
    for fd in fds:
        os.close(fd)
    assert count_holders(lock) == 0


def test_a_program_started_meanwhile_does_not_inherit_a_lock(lock: Path) -> None:
    with holding(lock):
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)

    assert not is_held(lock)
    child.communicate()
