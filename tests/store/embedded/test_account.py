from __future__ import annotations

import os
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.account import Account, account_for

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
STRANGER = Account(54321, 54321, is_other=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")
def test_an_ordinary_user_runs_the_server_alone(tmp_path: Path) -> None:
    account = account_for(tmp_path)

    assert (account.uid, account.is_other) == (os.geteuid(), False)


@root_only
def test_root_runs_the_server_as_somebody_else(tmp_path: Path) -> None:
    account = account_for(tmp_path)

    assert account.uid != 0
    assert account.is_other


@root_only
def test_root_names_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESSAGEDB_AGENT_PG_USER", "daemon")

    assert account_for(tmp_path).uid == 1


@root_only
@pytest.mark.parametrize("name", ["nosuchuser", "root"])
def test_a_user_that_will_not_do_is_one_clear_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESSAGEDB_AGENT_PG_USER", name)

    with pytest.raises(EmbeddedServerError, match=f"{name} to run it; set MESSAGEDB_AGENT_PG_USER"):
        account_for(tmp_path)


@root_only
def test_root_leaves_a_database_to_its_owner(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    os.chown(tmp_path / "data", 54321, 54321)

    assert account_for(tmp_path).uid == 54321


def test_a_closed_folder_anywhere_above_keeps_a_stranger_out(open_folder: Path) -> None:
    inner = open_folder / "a" / "b"
    inner.mkdir(parents=True)
    assert STRANGER.can_enter(inner)

    (open_folder / "a").chmod(0o700)

    assert not STRANGER.can_enter(inner)
