"""The life of a server, undisturbed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded import EmbeddedServer, find_binaries
from tests.waiting import wait_until

from .conftest import NewHome
from .helpers import (
    SOURCE,
    Client,
    ask,
    is_gone,
    postmaster,
    psql,
    quick,
    run,
    supervisor,
)


def test_the_first_use_creates_a_database_that_answers(home: Path) -> None:
    with quick(home).acquire() as lease:
        assert lease.how == "cold"
        assert ask(lease.conninfo, "SELECT current_database()") == "message_store"


def test_the_next_one_finds_it_running(used_home: Path) -> None:
    with quick(used_home).acquire(), quick(used_home).acquire() as second:
        assert second.how == "warm"


def test_what_was_written_is_there_after_a_stop(used_home: Path) -> None:
    server = quick(used_home)
    with server.acquire() as lease:
        run(lease.conninfo, "CREATE TABLE t AS SELECT 42 AS n")
    assert server.stop()

    with server.acquire() as lease:
        assert lease.how == "start"
        assert ask(lease.conninfo, "SELECT n FROM t") == "42"


def test_a_durable_server_syncs_its_writes(home: Path) -> None:
    with EmbeddedServer(home).acquire() as lease:
        assert ask(lease.conninfo, "SHOW fsync") == "on"
        assert ask(lease.conninfo, "SHOW synchronous_commit") == "on"


def test_settings_reach_the_server(used_home: Path) -> None:
    server = EmbeddedServer(used_home, durable=False, settings={"work_mem": "7MB"})
    with server.acquire() as lease:
        assert ask(lease.conninfo, "SHOW work_mem") == "7MB"


def test_a_setting_that_does_not_exist_is_one_clear_line(home: Path) -> None:
    with pytest.raises(EmbeddedServerError, match=r'FATAL.*"no.such_thing".*server.log') as caught:
        EmbeddedServer(home, durable=False, settings={"no such_thing": "1"}).acquire()

    assert "\n" not in str(caught.value)


def test_psql_takes_the_url(home: Path) -> None:
    with quick(home).acquire() as lease:
        assert psql(lease.url, "SELECT 6 * 7") == "42\n"


def test_there_is_no_network_port(used_home: Path) -> None:
    with quick(used_home).acquire() as lease:
        assert ask(lease.conninfo, "SHOW listen_addresses") == ""


def test_errors_of_clients_leave_no_trace_in_the_log(used_home: Path) -> None:
    server = quick(used_home)
    with server.acquire() as lease, pytest.raises(Exception, match="secret"):
        ask(lease.conninfo, "SELECT 'secret'::int")

    assert "secret" not in server.log_path.read_text()


@pytest.mark.parametrize("name", ["x" * 120, "a b \"c', ünï ☃", "%41 $HOME"])
def test_a_home_may_have_a_long_or_an_odd_name(
    name: str, open_folder: Path, cleaned: NewHome
) -> None:
    with quick(cleaned(open_folder / name)).acquire() as lease:
        assert psql(lease.url, "SELECT 1") == "1\n"


def test_a_home_deep_below_a_closed_folder_works(tmp_path: Path, cleaned: NewHome) -> None:
    outer = tmp_path / "closed"
    outer.mkdir(mode=0o700)

    with quick(cleaned(outer / ("x" * 60) / "home")).acquire() as lease:
        assert ask(lease.conninfo, "SELECT 1") == "1"


def test_eight_first_uses_at_once_share_one_server(home: Path) -> None:
    clients = [Client(home) for _ in range(8)]

    hows = sorted(client.how() for client in clients)

    assert hows[0] == "cold"
    assert set(hows[1:]) == {"warm"}
    assert quick(home).status().holders == 8
    for client in clients:
        client.kill()


def test_stopping_leaves_no_process(used_home: Path) -> None:
    server = quick(used_home)
    server.start()
    processes = postmaster(used_home), supervisor(used_home)

    assert server.stop()

    assert all(map(is_gone, processes))
    assert not server.stop()


def test_nothing_can_be_stopped_where_nothing_ever_was(home: Path) -> None:
    assert not quick(home).stop()
    assert not home.exists()


def test_the_caller_has_no_child_to_reap(used_home: Path) -> None:
    # In a process of its own: the one that runs the tests has other children.
    code = """
import os, pathlib, sys
from messagedb_agent.store.embedded import EmbeddedServer
with EmbeddedServer(pathlib.Path(sys.argv[1]), durable=False).acquire():
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print("none")
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run(
        [sys.executable, "-c", code, str(used_home)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )

    assert said.stdout == "none\n"


def test_an_unusable_home_is_one_clear_line() -> None:
    with pytest.raises(EmbeddedServerError, match="MESSAGEDB_AGENT_HOME") as caught:
        quick(Path("/proc/nowhere/home")).acquire()

    assert "\n" not in str(caught.value)


def test_a_home_that_links_to_itself_is_one_clear_line(open_folder: Path) -> None:
    (open_folder / "loop").symlink_to("loop")

    with pytest.raises(EmbeddedServerError, match=r"MESSAGEDB_AGENT_HOME"):
        quick(open_folder / "loop").acquire()


def test_a_data_folder_of_an_unknown_version_is_left_alone(used_home: Path) -> None:
    server = quick(used_home)
    mark = server.status().data_directory / "PG_VERSION"
    mark.write_text("9\n")

    with pytest.raises(EmbeddedServerError, match="made by PostgreSQL 9, but there is only"):
        server.acquire()

    assert mark.read_text() == "9\n"


def test_a_database_of_an_older_version_is_run_by_its_own_programs(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGEDB_AGENT_PG_BIN", str(find_binaries({}, major="16")))
    quick(home).start()
    quick(home).stop()
    monkeypatch.delenv("MESSAGEDB_AGENT_PG_BIN")

    with quick(home).acquire() as lease:
        assert ask(lease.conninfo, "SHOW server_version").startswith("16.")


def test_a_warm_start_imports_neither_subprocess_nor_anything_else_slow(used_home: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from messagedb_agent.store.embedded import *;"
        f"print(EmbeddedServer(Path({str(used_home)!r})).acquire().how,"
        " {'subprocess', 'typing', 'inspect', 'dataclasses', 'hashlib'} & {*sys.modules})"
    )
    with quick(used_home).acquire():
        said = subprocess.check_output(
            [sys.executable, "-S", "-c", code], env={"PYTHONPATH": str(SOURCE)}, text=True
        )

    assert said == "warm set()\n"


def test_the_status_tells_what_is_there(used_home: Path) -> None:
    server = quick(used_home)
    with server.acquire():
        status = server.status()

    assert (status.running, status.pid, status.holders) == (True, postmaster(used_home), 1)
    assert status.version == "18.4"
    assert status.size_bytes > 10_000_000


def test_the_status_of_nothing_creates_nothing(home: Path) -> None:
    status = quick(home).status()

    assert (status.running, status.pid, status.holders, status.size_bytes) == (False, None, 0, 0)
    assert not home.exists()


def test_an_idle_server_stops(used_home: Path) -> None:
    quick(used_home, idle_seconds=0.3).start()
    processes = postmaster(used_home), supervisor(used_home)

    wait_until(lambda: all(map(is_gone, processes)))


def test_one_holder_is_enough_to_keep_it(home: Path) -> None:
    with quick(home, idle_seconds=0.2).acquire() as lease:
        other = Client(home)
        other.how()
        other.kill()
        wait_until(lambda: float(ask(lease.conninfo, UPTIME)) > 1)


def test_closing_a_lease_twice_does_not_close_somebody_elses_file(used_home: Path) -> None:
    lease = quick(used_home).acquire()
    lease.close()
    with Path(__file__).open("rb") as file:
        lease.close()
        assert file.read(1)


UPTIME = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())"
