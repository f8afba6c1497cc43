from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from messagedb_agent.store.embedded.place import locate
from messagedb_agent.store.embedded.supervisor import KEPT_LOG, LONGEST_LOG, trim_log
from tests.waiting import wait_until

from .helpers import ask, is_gone, postmaster, quick, supervisor

proc_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def append_fd(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)


def test_a_long_log_keeps_its_end_in_whole_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a line of the log\n" * (LONGEST_LOG // 18 + 1) + "the last\n")
    fd = append_fd(log)

    trim_log(fd)
    os.write(fd, b"and on\n")
    os.close(fd)

    lines = log.read_text().splitlines()
    assert lines[0] == "a line of the log"
    assert lines[-2:] == ["the last", "and on"]
    assert log.stat().st_size <= KEPT_LOG + 7


def test_a_short_log_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("short\n")
    fd = append_fd(tmp_path / "log")

    trim_log(fd)
    os.close(fd)

    assert (tmp_path / "log").read_text() == "short\n"


def test_a_supervisor_that_is_asked_to_end_takes_the_server_along(used_home: Path) -> None:
    quick(used_home).start()
    pid, guardian = postmaster(used_home), supervisor(used_home)

    os.kill(guardian, signal.SIGTERM)

    wait_until(lambda: is_gone(guardian))
    assert is_gone(pid)
    assert "database system is shut down" in locate(used_home).log.read_text()


def test_uses_shorter_than_a_look_are_noticed(used_home: Path) -> None:
    quick(used_home, idle_seconds=1.0).start()
    pid = postmaster(used_home)
    uses = 0

    def is_old() -> bool:
        nonlocal uses
        uses += 1
        with quick(used_home).acquire() as lease:
            return float(ask(lease.conninfo, UPTIME)) > 2.5

    wait_until(is_old)

    assert postmaster(used_home) == pid
    assert uses > 5


def test_a_session_without_a_lease_is_not_cut_off(used_home: Path) -> None:
    with quick(used_home, idle_seconds=0.3).acquire() as lease:
        conninfo = lease.conninfo

    assert ask(conninfo, "SELECT pg_sleep(1.5)") == ""


@proc_only
def test_the_server_holds_no_lock_of_ours(used_home: Path) -> None:
    quick(used_home).start()
    pid = postmaster(used_home)

    opened = [fd.readlink().name for fd in Path(f"/proc/{pid}/fd").iterdir()]

    assert not [name for name in opened if name.endswith(".lock")]


@proc_only
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_for_root_server_and_supervisor_have_given_up_all_rights(used_home: Path) -> None:
    quick(used_home).start()

    for pid in (postmaster(used_home), supervisor(used_home)):
        status = Path(f"/proc/{pid}/status").read_text()
        uids, groups = (status.split(f"{key}:")[1].split("\n")[0] for key in ("Uid", "Groups"))
        assert "0" not in uids.split()
        assert groups.split() == []


UPTIME = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())"
