from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.place import (
    SOCKET,
    Place,
    is_private,
    locate,
    make_private,
    prepare,
)

from .conftest import NewHome

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_socket_lies_in_the_home(home: Path) -> None:
    assert prepare(home).socket_folder == home / "s"


@pytest.mark.parametrize("name", ["x" * 90, "a,b", os.fsdecode(b"\xff")])
def test_a_home_that_no_socket_can_lie_in_has_it_in_a_short_folder(name: str) -> None:
    folder = Place(Path("/tmp", name)).socket_folder

    assert folder.parent == Path("/tmp")
    assert len(os.fsencode(folder / SOCKET)) < 100


def test_two_homes_do_not_share_a_short_folder() -> None:
    one, other = (Place(Path("/tmp", "x" * 99, name)).socket_folder for name in "ab")

    assert one != other


def test_a_private_folder_is_for_the_servers_user_alone(home: Path) -> None:
    place = prepare(home)
    make_private(place.socket_folder, place.account)

    assert mode(place.socket_folder) == 0o700
    assert place.socket_folder.stat().st_uid == place.account.uid


def test_a_link_in_place_of_the_private_folder_is_refused(home: Path, tmp_path: Path) -> None:
    place = prepare(home)
    place.socket_folder.symlink_to(tmp_path)

    with pytest.raises(EmbeddedServerError, match="not a folder that belongs to"):
        make_private(place.socket_folder, place.account)


def test_a_private_folder_that_others_may_enter_is_refused(home: Path) -> None:
    place = prepare(home)
    make_private(place.socket_folder, place.account)
    place.socket_folder.chmod(0o755)

    assert not is_private(place.socket_folder, place.account)


@root_only
def test_a_private_folder_of_somebody_else_is_refused(home: Path) -> None:
    place = prepare(home)
    place.socket_folder.mkdir(mode=0o700)
    os.chown(place.socket_folder, 54321, 54321)

    with pytest.raises(EmbeddedServerError, match="remove it"):
        make_private(place.socket_folder, place.account)


def test_a_new_home_can_not_be_read_by_others(home: Path) -> None:
    prepare(home)

    assert not mode(home) & 0o066


def test_a_home_that_exists_keeps_its_permissions(home: Path, cleaned: NewHome) -> None:
    home.mkdir()
    home.chmod(0o750)

    prepare(home)

    assert mode(home) == 0o750


@root_only
def test_a_home_that_the_servers_user_can_not_enter_points_elsewhere(
    tmp_path: Path, cleaned: NewHome
) -> None:
    outer = tmp_path / "closed"
    outer.mkdir(mode=0o700)
    home = cleaned(outer / "home")

    place = prepare(home)

    assert place.account.can_enter(place.root)
    assert mode(outer) == 0o700
    assert locate(home).root == place.root


@root_only
def test_the_other_place_is_remembered_when_permissions_change(
    tmp_path: Path, open_folder: Path, cleaned: NewHome
) -> None:
    open_folder.chmod(0o700)
    home = cleaned(open_folder / "home")
    before = prepare(home).root

    open_folder.chmod(0o711)

    assert prepare(home).root == before != home


@root_only
def test_root_does_not_believe_a_pointer_that_a_user_can_write(home: Path) -> None:
    home.mkdir()
    (home / "location").write_text("/etc")
    os.chown(home, 54321, 54321)

    assert locate(home).root == home


@root_only
def test_what_root_makes_in_a_users_home_belongs_to_the_user(home: Path) -> None:
    home.mkdir()
    os.chown(home, 54321, 54321)

    place = prepare(home)

    assert place.lease_lock.stat().st_uid == place.log.stat().st_uid == 54321


def test_a_home_that_is_a_file_is_one_clear_line(open_folder: Path) -> None:
    (open_folder / "home").touch()

    with pytest.raises(EmbeddedServerError, match=r"can not use .*home .*MESSAGEDB_AGENT_HOME"):
        prepare(open_folder / "home")


def test_a_line_break_in_the_name_of_the_home_is_refused(open_folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="line break"):
        prepare(open_folder / "a\nb")
