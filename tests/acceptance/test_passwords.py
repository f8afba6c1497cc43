"""A database that asks for a password, as servers of companies do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from tests.acceptance.conftest import Cli
from tests.postgres import controlled_server
from tests.warm import Warm

ODD = "a b'c\"d\\e@f:g/h?i#j%k&l=mñ☃"
_RULES = """
local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


@pytest.fixture(scope="module")
def guarded() -> Iterator[dict[str, str]]:
    """Where a server that wants the password of everybody but its owner is."""
    number, path = tempfile.mkstemp(prefix="mdba-hba-", dir="/tmp")
    with os.fdopen(number, "w") as rules:
        rules.write(_RULES)
    # The server runs as somebody else where the tests run as root.
    Path(path).chmod(0o644)
    try:
        with controlled_server(tcp=True, hba_file=path) as server:
            with psycopg.connect(server.dsn, autocommit=True) as connection:
                schema.install(connection)
                connection.execute(
                    sql.SQL("CREATE ROLE guest SUPERUSER LOGIN PASSWORD {}").format(
                        sql.Literal(ODD)
                    )
                )
            place = conninfo_to_dict(server.dsn)
            yield {"DB_HOST": str(place["host"]), "DB_PORT": str(place["port"]),
                   "DB_NAME": "postgres", "DB_USER": "guest"}  # fmt: skip
    finally:
        Path(path).unlink()


@pytest.fixture
def cli(warm: Warm, guarded: dict[str, str], tmp_path: Path) -> Cli:
    command = Cli(warm, "", tmp_path)
    del command.environment["DATABASE_URL"]
    command.environment |= guarded
    return command


def test_a_password_of_any_characters_is_taken_as_it_is(cli: Cli) -> None:
    ended = cli("start", "What is 6 * 7?", env={"DB_PASSWORD": ODD})

    assert (ended.code, ended.out.splitlines()[:1]) == (0, ["6 * 7 = 42"])


def test_it_may_also_be_part_of_a_url(cli: Cli, guarded: dict[str, str]) -> None:
    at = f"{guarded['DB_HOST']}:{guarded['DB_PORT']}/postgres"
    url = f"postgresql://guest:{quote(ODD, safe='')}@{at}"

    ended = cli("start", "What is 6 * 7?", env={"DATABASE_URL": url})

    assert (ended.code, ended.out.splitlines()[:1]) == (0, ["6 * 7 = 42"])


@pytest.mark.parametrize("command", [["start", "hi"], ["list"], ["show", "last"], ["doctor"]])
@pytest.mark.parametrize("password", ["wrong", ""])
def test_a_wrong_password_is_one_line_that_does_not_repeat_it(
    cli: Cli, command: list[str], password: str
) -> None:
    ended = cli(*command, env={"DB_PASSWORD": password})

    assert ended.code == 1
    told = (ended.out + ended.err).strip()
    assert "password" in told
    assert "Traceback" not in told
    assert "wrong" not in ended.err
    if command != ["doctor"]:
        assert len(told.splitlines()) == 1
