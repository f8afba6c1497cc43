from __future__ import annotations

import os
from pathlib import Path

import pytest

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.cluster import clean_environment, create_cluster
from messagedb_agent.store.embedded.place import locate, prepare

from .helpers import Client

NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from messagedb_agent.store.embedded import EmbeddedServer
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
try:
    EmbeddedServer(Path(sys.argv[1])).acquire()
except Exception as error:
    print(f"{type(error).__name__}: {error}", flush=True)
"""


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(home: Path) -> None:
    said, trace = Client(home, code=NO_ROOM).finish()

    assert said.startswith("EmbeddedServerError: can not create the database: ")
    assert said.count("\n") == 1
    assert trace == ""
    assert not [*locate(home).root.glob("data*")]


def test_what_an_earlier_try_left_behind_is_removed(home: Path) -> None:
    place = prepare(home)
    (place.root / "data.0000.new").mkdir()

    with pytest.raises(EmbeddedServerError, match="can not create the database"):
        create_cluster(Path("/nowhere"), place, durable=False)

    assert not [*place.root.glob("data*")]


def test_the_servers_environment_has_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.setenv("PGDATA", "elsewhere")

    assert {*clean_environment()} <= {"PATH", "LC_ALL", "TZ", "LD_LIBRARY_PATH", *os.environ} - {
        "OPENAI_API_KEY",
        "PGDATA",
    }
