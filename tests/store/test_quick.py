"""The quick connection and psycopg give the same answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from messagedb_agent.errors import StoreUnavailableError, UsageError
from messagedb_agent.store import quick
from messagedb_agent.store.quick import QuickConnection, quick_connection

QUERIES: dict[str, tuple[str, tuple[str | None, ...]]] = {
    "nothing": ("SELECT 1 WHERE false", ()),
    "text": ("SELECT $1::text, $2::text", ("a 'quoted' \\ text", "😀 ü \u202e")),
    "null": ("SELECT $1::text, NULL, ''", (None,)),
    "numbers": ("SELECT $1::bigint, 1.50::numeric, count(*) FROM generate_series(1, 3)", ("-7",)),
    "a time": ("SELECT timestamp '2026-01-02 03:04:05.678901', timestamp '2026-01-02'", ()),
    "json as text": ("""SELECT '{"b": 1, "aa": [1e2, null]}'::jsonb::text""", ()),
    "rows": ("SELECT n::text FROM generate_series(1, 1500) AS n", ()),
    "a large value": ("SELECT repeat('ü', 2000000)", ()),
    "an empty statement's rows": ("SELECT FROM generate_series(1, 2)", ()),
}


@pytest.fixture
def both(
    message_db: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[QuickConnection, QuickConnection]]:
    """A connection through libpq itself, and one through psycopg."""
    with ExitStack() as exits:
        direct = exits.enter_context(quick_connection(message_db))
        monkeypatch.setattr(quick, "_find", lambda: None)
        yield direct, exits.enter_context(quick_connection(message_db))


@pytest.mark.parametrize(("query", "parameters"), QUERIES.values(), ids=QUERIES.keys())
def test_both_ways_give_the_same_rows(
    both: tuple[QuickConnection, QuickConnection], query: str, parameters: tuple[str | None, ...]
) -> None:
    direct, fallback = both

    assert type(direct) is not type(fallback)
    assert direct.query(query, parameters) == fallback.query(query, parameters)


@pytest.mark.parametrize("query", ["SELEC", "SELECT 1/0", "SELECT $1::int"])
def test_both_ways_tell_of_an_error_in_one_line(
    both: tuple[QuickConnection, QuickConnection], query: str
) -> None:
    texts = []
    for connection in both:
        with pytest.raises(StoreUnavailableError, match="the database reports: ") as raised:
            connection.query(query, ("x",) if "$1" in query else ())
        texts.append(str(raised.value))
        # The connection is as good as before.
        assert connection.query("SELECT 'still here'") == [["still here"]]

    assert len(texts[0].splitlines()) == len(texts[1].splitlines()) == 1


def test_a_nul_is_refused_both_ways(both: tuple[QuickConnection, QuickConnection]) -> None:
    for connection in both:
        with pytest.raises((UsageError, StoreUnavailableError), match="NUL"):
            connection.query("SELECT $1::text", ("a\x00b",))


def test_it_is_quick_because_it_imports_no_psycopg(message_db: dict[str, Any]) -> None:
    code = (
        "import sys\n"
        "from messagedb_agent.store.quick import quick_connection\n"
        "import messagedb_agent.store.threads\n"
        f"with quick_connection({message_db!r}) as connection:\n"
        "    print(connection.query('SELECT 1'), 'psycopg' in sys.modules)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )

    assert done.stdout == "[['1']] False\n"
