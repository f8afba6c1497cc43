"""The views are installed once, by whoever comes first, and replaced when they are old."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.store import schema
from messagedb_agent.store.analytics import installer
from tests.postgres import NewDatabase


@pytest.fixture
def dsn(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    return dsn


def install(dsn: str) -> bool:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return installer.install_views(connection)


def revision(dsn: str) -> int | None:
    with psycopg.connect(dsn) as connection:
        return installer.views_revision(connection)


def test_a_second_time_there_is_nothing_to_do(dsn: str) -> None:
    assert revision(dsn) is None
    assert install(dsn) is True
    assert install(dsn) is False
    assert revision(dsn) == installer.REVISION


def test_several_may_install_at_once(dsn: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(install, [dsn] * 4))

    assert sorted(done) == [False, False, False, True]


def test_older_views_are_replaced_and_newer_ones_left(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(dsn)

    monkeypatch.setattr(installer, "REVISION", installer.REVISION + 1)
    assert install(dsn) is True
    monkeypatch.setattr(installer, "REVISION", installer.REVISION - 1)
    assert install(dsn) is False


def test_a_missing_view_comes_back(dsn: str) -> None:
    install(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP VIEW messagedb_agent.turns")

    assert revision(dsn) is None
    assert install(dsn) is True


def test_what_somebody_built_on_a_view_is_not_dropped(
    dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE VIEW mine AS SELECT * FROM messagedb_agent.usage")
    monkeypatch.setattr(installer, "REVISION", installer.REVISION + 1)

    with pytest.raises(StoreUnavailableError, match="view mine depends"):
        install(dsn)
    assert revision(dsn) == installer.REVISION - 1


def test_those_who_may_read_messages_may_read_the_views(dsn: str) -> None:
    install(dsn)

    with psycopg.connect(dsn) as connection:
        connection.execute("SET ROLE message_store")
        connection.execute("SELECT * FROM messagedb_agent.threads")
