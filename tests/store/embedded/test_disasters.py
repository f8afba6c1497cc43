"""Whatever dies, the next call works, and nothing is left for good."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from messagedb_agent.store.embedded.locks import is_held
from messagedb_agent.store.embedded.place import SOCKET, locate
from tests.waiting import wait_until

from .helpers import (
    Client,
    ask,
    is_gone,
    kill,
    postmaster,
    quick,
    run,
    supervisor,
)


def works(home: Path) -> str:
    """Whether a new client gets what it wants; how it got it."""
    with quick(home).acquire() as lease:
        assert ask(lease.conninfo, "SELECT 1") == "1"
        return lease.how


def takes_connections(conninfo: dict[str, str]) -> bool:
    try:
        return ask(conninfo, "SELECT 1") == "1"
    except psycopg.OperationalError:
        return False


def test_a_killed_client_lets_go(used_home: Path) -> None:
    client = Client(used_home, idle_seconds=0.3)
    client.how()
    pid = postmaster(used_home)

    client.kill()

    wait_until(lambda: is_gone(pid))


def test_a_killed_server_is_started_again_and_recovers(used_home: Path) -> None:
    with quick(used_home).acquire() as lease:
        run(lease.conninfo, "CREATE TABLE t AS SELECT 42 AS n")
        kill(postmaster(used_home))

        with quick(used_home).acquire() as again:
            assert ask(again.conninfo, "SELECT n FROM t") == "42"


def test_a_killed_backend_brings_nobody_else_down(used_home: Path) -> None:
    with quick(used_home).acquire() as lease:
        with pytest.raises(Exception, match=r"closed|terminat"):
            run(lease.conninfo, KILL_MYSELF)
        # PostgreSQL recovers by itself, and refuses connections for a moment.
        wait_until(lambda: takes_connections(lease.conninfo))
        assert works(used_home) == "warm"


def test_server_and_supervisor_may_die_together(used_home: Path) -> None:
    quick(used_home).start()
    pids = supervisor(used_home), postmaster(used_home)
    for pid in pids:
        kill(pid)

    assert works(used_home) == "start"


def test_a_server_without_its_supervisor_goes_on_and_gets_a_new_guardian(used_home: Path) -> None:
    quick(used_home).start()
    pid, guardian = postmaster(used_home), supervisor(used_home)
    kill(guardian)
    wait_until(lambda: not is_held(locate(used_home).guard_lock))

    assert works(used_home) == "warm"

    assert postmaster(used_home) == pid
    assert is_held(locate(used_home).guard_lock)


def test_a_new_guardian_stops_the_server_when_it_is_idle(used_home: Path) -> None:
    quick(used_home).start()
    pid = postmaster(used_home)
    kill(supervisor(used_home))
    wait_until(lambda: not is_held(locate(used_home).guard_lock))

    quick(used_home, idle_seconds=0.2).start()

    wait_until(lambda: is_gone(pid))
    wait_until(lambda: not is_held(locate(used_home).guard_lock))


def test_a_client_killed_while_it_creates_the_database_leaves_nothing_half_made(home: Path) -> None:
    client = Client(home)
    root = locate(home).root
    wait_until(lambda: [*root.glob("data.*.new/base")])
    client.kill()
    assert not (root / "data").exists()

    assert works(home) == "cold"
    assert (root / "data" / "PG_VERSION").exists()


def test_a_client_killed_while_the_server_starts_is_not_missed(used_home: Path) -> None:
    client = Client(used_home)
    wait_until(lambda: is_held(locate(used_home).guard_lock))
    client.kill()

    assert works(used_home) in {"warm", "start"}


def test_a_server_killed_in_the_middle_of_its_start_is_started_again(used_home: Path) -> None:
    client = Client(used_home)
    wait_until(lambda: postmaster(used_home))
    kill(postmaster(used_home))

    assert client.how() == "start"
    client.kill()


def test_a_process_number_that_now_is_somebody_elses_does_not_matter(used_home: Path) -> None:
    server = quick(used_home)
    server.start()
    place = locate(used_home)
    lines = (place.data / "postmaster.pid").read_text().splitlines()
    kill(postmaster(used_home))
    wait_until(lambda: not is_held(place.guard_lock))
    # Ours: it lives, and it is not a PostgreSQL.
    (place.data / "postmaster.pid").write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    (place.socket_folder / f"{SOCKET}.lock").write_text(f"{os.getpid()}\n")

    assert works(used_home) == "start"


def test_a_dead_server_that_nobody_reaps_is_not_taken_for_a_live_one(used_home: Path) -> None:
    quick(used_home).start()
    place = locate(used_home)
    zombie = subprocess.Popen(["true"])
    wait_until(lambda: is_gone(zombie.pid))
    lines = (place.data / "postmaster.pid").read_text().splitlines()
    kill(postmaster(used_home))
    wait_until(lambda: not is_held(place.guard_lock))
    (place.data / "postmaster.pid").write_text("\n".join([str(zombie.pid), *lines[1:]]) + "\n")

    assert works(used_home) == "start"
    zombie.wait()


def test_a_supervisor_that_can_not_reap_does_not_keep_the_next_start_waiting(
    used_home: Path,
) -> None:
    quick(used_home).start()
    guardian, pid = supervisor(used_home), postmaster(used_home)
    os.kill(guardian, signal.SIGSTOP)
    kill(pid)
    wait_until(lambda: is_gone(pid))
    kill(guardian)

    assert works(used_home) == "start"


def test_a_folder_of_the_socket_that_was_cleaned_away_comes_back(used_home: Path) -> None:
    quick(used_home).start()
    quick(used_home).stop()
    shutil.rmtree(locate(used_home).socket_folder)

    assert works(used_home) == "start"


def test_a_socket_that_was_cleaned_away_under_a_running_server_comes_back(used_home: Path) -> None:
    quick(used_home).start()
    shutil.rmtree(locate(used_home).socket_folder)

    assert works(used_home) == "start"


def test_a_home_that_was_removed_under_a_running_server_starts_anew(used_home: Path) -> None:
    quick(used_home).start()
    old = postmaster(used_home)
    shutil.rmtree(used_home)

    assert works(used_home) == "cold"
    with suppress(ProcessLookupError):  # a server that misses its folder may end by itself
        kill(old)


KILL_MYSELF = "COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'"
