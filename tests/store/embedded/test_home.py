from __future__ import annotations

import sys
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded import default_home

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the folder of Linux")


def test_the_variable_decides() -> None:
    assert default_home({"MESSAGEDB_AGENT_HOME": "/data/x", "HOME": "/h"}) == Path("/data/x")


def test_a_tilde_in_the_variable_is_the_users_home() -> None:
    assert default_home({"MESSAGEDB_AGENT_HOME": "~/x", "HOME": "/h"}) == Path("/h/x")


def test_a_relative_path_in_the_variable_is_below_the_current_folder() -> None:
    assert default_home({"MESSAGEDB_AGENT_HOME": "x"}) == Path.cwd() / "x"


@linux_only
def test_without_it_the_users_data_folder_is_taken() -> None:
    environ = {"MESSAGEDB_AGENT_HOME": "", "HOME": "/h"}

    assert default_home(environ) == Path("/h/.local/share/messagedb-agent")


@linux_only
def test_the_data_folder_may_be_named_by_xdg() -> None:
    environ = {"HOME": "/h", "XDG_DATA_HOME": "/d"}

    assert default_home(environ) == Path("/d/messagedb-agent")


@linux_only
def test_a_relative_xdg_folder_is_ignored() -> None:
    environ = {"HOME": "/h", "XDG_DATA_HOME": "d"}

    assert default_home(environ) == Path("/h/.local/share/messagedb-agent")


@linux_only
def test_without_any_home_the_error_names_the_variable_to_set() -> None:
    with pytest.raises(EmbeddedServerError, match=r"HOME is not set.*MESSAGEDB_AGENT_HOME"):
        default_home({})
