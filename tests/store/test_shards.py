"""Shards: where a thread begins, that all of them are read as one, and what finding costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.errors import ThreadNotFoundError, UsageError
from messagedb_agent.events import LLMResponseReceived, SessionStarted, UserMessageAdded
from messagedb_agent.store import schema
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.notifications import is_about
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search import search_threads
from messagedb_agent.store.shards import (
    CATEGORIES,
    MAX_SHARDS,
    categories,
    shard_of,
    whole,
)
from messagedb_agent.store.stream import build_stream_name
from messagedb_agent.store.threads import find_stream, newest_threads, thread_exists
from messagedb_agent.store.titles import newest_position
from messagedb_agent.store.usage import category_usage
from tests.postgres import NewDatabase

# Made with sha256sum: another program, or a later version of this one, has to agree.
GOLDEN = {
    "a": {1: 0, 2: 0, 4: 2, 16: 10, 100: 50},
    "thread": {1: 0, 2: 0, 4: 2, 16: 6, 100: 50},
    "0190c5a8-0000-7000-8000-000000000000": {1: 0, 2: 0, 4: 0, 16: 8, 100: 60},
    "6f1c2a3b-1111-4222-8333-444455556666": {1: 0, 2: 1, 4: 1, 16: 5, 100: 17},
}


@pytest.fixture
def agents() -> str:
    """A category as `--category` takes it."""
    return f"c{uuid4().hex}"


@pytest.mark.parametrize("thread_id", GOLDEN)
def test_a_thread_id_has_the_same_shard_for_ever(thread_id: str) -> None:
    assert {shards: shard_of(thread_id, shards) for shards in GOLDEN[thread_id]} == (
        GOLDEN[thread_id]
    )


@given(thread_id=st.text(), shards=st.integers(1, MAX_SHARDS))
def test_every_thread_id_has_one_of_the_shards(thread_id: str, shards: int) -> None:
    assert 0 <= shard_of(thread_id, shards) < shards


@pytest.mark.parametrize("shards", [0, -1, MAX_SHARDS + 1])
def test_a_number_of_shards_that_can_not_be_is_refused(shards: int) -> None:
    with pytest.raises(UsageError):
        build_stream_name("agent", "v0", "a", shards)


def test_with_one_shard_names_are_what_they_were() -> None:
    assert build_stream_name("agent", "v0", "a") == "agent:v0-a"
    assert build_stream_name("agent", "v0", "a", 1) == "agent:v0-a"


def test_with_several_the_category_has_the_number() -> None:
    assert build_stream_name("agent", "v0", "a", 4) == "agent+02:v0-a"
    assert build_stream_name("agent", "v0", "a", 16) == "agent+10:v0-a"


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("agent+03:v0", "agent:v0"),
        ("agent+03:v0-6f1c", "agent:v0-6f1c"),
        ("agent+03:v0-a+01:b", "agent:v0-a+01:b"),
        ("agent:v0-a+01:b", "agent:v0-a+01:b"),
        ("agent+03:v0+position-x", "agent:v0+position-x"),
        ("agent+3:v0", "agent+3:v0"),
        ("agent+003:v0", "agent+003:v0"),
        ("my+agent+03:v0-a", "my+agent:v0-a"),
        ("agent+03", "agent+03"),
    ],
)
def test_a_name_can_be_read_without_its_shard(name: str, without: str) -> None:
    assert whole(name) == without


@given(thread_id=st.from_regex(r"[A-Za-z0-9_.:@+=~-]{1,50}", fullmatch=True))
def test_a_sharded_name_without_its_shard_is_that_of_one_shard(thread_id: str) -> None:
    name = build_stream_name("agent", "v0", thread_id, 7)

    assert whole(name) == build_stream_name("agent", "v0", thread_id)


@pytest.mark.parametrize("source", ["agent:v0", "agent+03:v0", "agent+03:v0-a"])
def test_a_notification_of_a_shard_concerns_the_whole_category(source: str) -> None:
    assert is_about("agent+03:v0-a", source)
    assert not is_about("agent+04:v1-b", source)


def test_shards_are_found_among_categories_that_only_look_alike(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    begin(client, f"{agents}:v0-a")
    shards = [f"{agents}+{number}:v0" for number in ("00", "07", "99")]
    others = [f"{agents}+{number}:v0" for number in ("1", "001", "0a", "03+03", "aa")]
    others += [f"{agents}+05:v1", f"{agents}x+05:v0", f"{agents}+05", f"x{agents}+05:v0"]
    for name in shards + others:
        begin(client, f"{name}-a")

    assert categories(quick, f"{agents}:v0") == (f"{agents}:v0", *shards)


@pytest.mark.parametrize("name", ["account", "a:b:c", "agent+03:v0"])
def test_any_category_is_at_least_itself(quick: QuickConnection, name: str) -> None:
    name = f"{uuid4().hex}{name}"

    assert categories(quick, name) == (name,)


def test_a_shard_can_be_read_alone(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    begin(client, f"{agents}:v0-a")
    begin(client, f"{agents}+03:v0-b")

    assert categories(quick, f"{agents}+03:v0") == (f"{agents}+03:v0",)
    assert find_stream(quick, f"{agents}+03:v0", "last") == f"{agents}+03:v0-b"


@pytest.mark.parametrize("began_with", [1, 4, 16])
def test_a_thread_is_found_however_many_shards_there_were(
    client: MessageDBClient, quick: QuickConnection, agents: str, began_with: int
) -> None:
    ids = [f"{letter}{uuid4()}" for letter in "abc"]
    streams = [build_stream_name(agents, "v0", thread_id, began_with) for thread_id in ids]
    begin(client, f"{agents}:v0-{uuid4()}")
    begin(client, *streams)

    for thread_id, stream in zip(ids, streams, strict=True):
        assert find_stream(quick, f"{agents}:v0", thread_id) == stream
        assert find_stream(quick, f"{agents}:v0", thread_id[:9]) == stream
    assert find_stream(quick, f"{agents}:v0", "last") == streams[-1]


def test_a_beginning_is_unique_only_over_all_shards(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    begin(client, f"{agents}:v0-abc", f"{agents}+00:v0-abd", f"{agents}+09:v0-ab", f"{agents}:v0-b")

    assert find_stream(quick, f"{agents}:v0", "ab") == f"{agents}+09:v0-ab"
    assert find_stream(quick, f"{agents}:v0", "abd") == f"{agents}+00:v0-abd"
    with pytest.raises(UsageError, match=r"several threads: ab.?, ab.?, ab.?"):
        find_stream(quick, f"{agents}:v0", "a")
    with pytest.raises(ThreadNotFoundError):
        find_stream(quick, f"{agents}:v0", "c")


def test_an_id_in_two_shards_means_the_newer_thread(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    begin(client, f"{agents}+01:v0-a", f"{agents}:v0-a")

    assert find_stream(quick, f"{agents}:v0", "a") == f"{agents}:v0-a"


def test_an_id_is_known_in_whatever_shard_it_is(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    begin(client, f"{agents}+01:v0-abc")

    assert thread_exists(quick, f"{agents}:v0", "abc")
    assert not thread_exists(quick, f"{agents}:v0", "ab")


def test_the_newest_threads_are_those_of_all_shards(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    names = [f"{agents}{shard}:v0-{place}" for place, shard in enumerate(["", "+03", "+00"] * 3)]
    begin(client, *names)

    def listed(limit: int) -> list[str]:
        return [each.stream_name for each in newest_threads(quick, f"{agents}:v0", limit)]

    assert listed(4) == names[:-5:-1]
    assert listed(99) == names[::-1]


def test_searching_usage_and_changes_are_over_all_shards(
    client: MessageDBClient, quick: QuickConnection, agents: str
) -> None:
    category = f"{agents}:v0"
    last = -1
    for shard in ("", "+03", "+99"):
        said = UserMessageAdded(message=f"apple {shard}")
        answered = LLMResponseReceived(model_name="m", token_usage={"input_tokens": 1})
        new = [NewEvent(event=event) for event in (said, answered)]
        last = client.append(f"{agents}{shard}:v0-t", new)[-1].global_position

    found = search_threads(quick, category, 2, text="APPLE", types=["LLMResponseReceived"])

    assert found == (f"{agents}+99:v0-t", f"{agents}+03:v0-t")
    assert sum(each.calls for each in category_usage(quick, category)) == 3
    assert newest_position(quick, category) == last


FILL = """
    INSERT INTO message_store.messages (stream_name, position, type, data)
    SELECT category || '-' || thread, position, 'UserMessageAdded', '{"message": "hello"}'
    FROM unnest(%s::text[]) AS category, generate_series(1001, 1300) AS thread,
         generate_series(0, 4) AS position
"""


@pytest.fixture(scope="module")
def full(server: NewDatabase) -> Iterator[psycopg.Connection[Any]]:
    """A database with 17 categories of an agent's threads, and as many of others."""
    with psycopg.connect(server(), autocommit=True) as connection:
        schema.install(connection)
        names = ["agent:v0", *(f"agent+{number:02}:v0" for number in range(16))]
        names += [f"other{number}:v0" for number in range(17)]
        connection.execute(FILL, (names,))
        connection.execute("VACUUM ANALYZE message_store.messages")
        yield connection


class Explaining:
    """Notes the plans of what is asked, by what the server did."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.plans: list[str] = []

    def query(self, sql: str, parameters: Any = ()) -> list[list[str | None]]:
        with psycopg.RawCursor(self._connection) as cursor:
            cursor.execute(b"EXPLAIN (ANALYZE, TIMING OFF) " + sql.encode(), parameters)
            self.plans.append("\n".join(row[0] for row in cursor.fetchall()))
            cursor.execute(sql.encode(), parameters)
            return [[None if value is None else str(value) for value in row] for row in cursor]


def test_which_shards_there_are_is_a_probe_for_each(full: psycopg.Connection[Any]) -> None:
    explaining = Explaining(full)
    explaining.query(f"SELECT {CATEGORIES}", ("agent:v0",))
    explaining.query(f"SELECT {CATEGORIES}", ("other1:v0",))

    many, one = explaining.plans
    assert "Seq Scan" not in many + one
    assert many.count("using messages_category") == 2
    assert "loops=16" in many
    assert "never executed" in one


def test_a_thread_is_found_by_one_statement_or_two_without_scanning(
    full: psycopg.Connection[Any],
) -> None:
    explaining = Explaining(full)

    assert find_stream(explaining, "agent:v0", "1299") == "agent+15:v0-1299"
    assert len(explaining.plans) == 1
    with pytest.raises(UsageError):
        find_stream(explaining, "agent:v0", "129")
    assert len(explaining.plans) == 3
    assert "Seq Scan" not in "".join(explaining.plans)


def test_the_newest_threads_are_read_from_the_index_of_beginnings(
    full: psycopg.Connection[Any],
) -> None:
    explaining = Explaining(full)

    assert len(newest_threads(explaining, "agent:v0", 5)) == 5
    _, *plans = explaining.plans
    assert len(plans) == 2
    assert all("Index Scan Backward using messages_first" in plan for plan in plans)
    assert "Seq Scan" not in "".join(plans)


def begin(store: MessageDBClient, *streams: str) -> None:
    for stream in streams:
        store.append(stream, [NewEvent(event=SessionStarted(thread_id="t"))])
