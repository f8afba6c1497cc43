"""What many threads have is met in the newest ones, without an index."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messagedb_agent.engine.archiving import archive_thread
from messagedb_agent.events import SessionStarted, UserMessageAdded
from messagedb_agent.events.base import Event
from messagedb_agent.events.user import ThreadRenamed
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search import finding, looking, search_threads

CATEGORY = "agent:v0"
APPLE, PEAR = UserMessageAdded(message="apple"), UserMessageAdded(message="pear")


def write(client: MessageDBClient, name: str, *past: Event, category: str = CATEGORY) -> str:
    stream = f"{category}-{name}"
    client.append(stream, [NewEvent(event=event) for event in past])
    return stream


def has_index(quick: QuickConnection) -> bool:
    ((name,),) = quick.query("SELECT to_regclass('messagedb_agent.search_entries')::text")
    return name is not None


def found(quick: QuickConnection, text: str, limit: int = 20) -> tuple[str, ...]:
    return search_threads(quick, CATEGORY, limit, text=text)


def test_few_threads_need_no_index(client: MessageDBClient, quick: QuickConnection) -> None:
    assert found(quick, "apple") == ()
    stream = write(client, "t", APPLE)

    assert found(quick, "apple") == (stream,)
    assert found(quick, "plum") == ()
    assert not has_index(quick)


def test_a_full_page_of_the_newest_needs_no_index(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "GLANCE_THREADS", 3)
    names = [write(client, str(number), APPLE) for number in range(5)]

    assert found(quick, "apple", 2) == (names[4], names[3])
    assert not has_index(quick)
    assert found(quick, "apple", 4) == (*reversed(names[1:]),)
    assert has_index(quick)


def test_a_long_thread_among_the_newest_is_not_passed_on_a_glance(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "GLANCE_EVENTS", 10)
    older = write(client, "older", APPLE)
    long = write(client, "long", *[PEAR] * 10, APPLE)
    newer = write(client, "newer", APPLE)

    assert found(quick, "apple", 1) == (newer,)
    assert not has_index(quick)
    assert found(quick, "apple", 2) == (newer, long)
    assert found(quick, "apple") == (newer, long, older)
    assert has_index(quick)


@pytest.mark.parametrize(
    "reach",
    [(0, 0, 1), (1, 99, 1), (1, 99, 2), (2, 99, 9), (9, 0, 9), (9, 1, 2), (9, 2, 1), (9, 99, 1)],
)
def test_however_far_a_glance_goes_the_answer_is_the_same(
    client: MessageDBClient,
    quick: QuickConnection,
    monkeypatch: pytest.MonkeyPatch,
    reach: tuple[int, int, int],
) -> None:
    threads, events, times = reach
    monkeypatch.setattr(finding, "WIDE_GLANCE", times)
    monkeypatch.setattr(looking, "GLANCE_THREADS", threads)
    monkeypatch.setattr(looking, "GLANCE_EVENTS", events)
    sharded = [f"agent+{shard:02}:v0" for shard in range(2)]
    first = write(client, "a", APPLE)
    second = write(client, "b", PEAR, APPLE, category=sharded[1])
    third = write(client, "c", PEAR)
    write(client, "d", APPLE, category="other:v0")
    fourth = write(client, "e", SessionStarted(thread_id="e"), APPLE, category=sharded[0])
    archive_thread(client, write(client, "f", ThreadRenamed(title="apple")))

    for limit in (1, 2, 3, 9):
        assert found(quick, "apple", limit) == (fourth, second, first)[:limit]
        assert found(quick, "e", limit) == (fourth, third, second, first)[:limit]
        assert found(quick, "plum", limit) == found(quick, "zz", limit) == ()


def test_the_archive_is_searched_alike(client: MessageDBClient, quick: QuickConnection) -> None:
    title = ThreadRenamed(title="apple")
    names = [write(client, name, title) for name in ("a", "b", "c")]
    for name in names:
        archive_thread(client, name)
    write(client, "d", APPLE)
    now = datetime.now(UTC)

    def search(**wishes: Any) -> tuple[str, ...]:
        return search_threads(quick, CATEGORY, 2, archived=True, **wishes)

    assert search(text="apple") == (names[2], names[1])
    assert search(text="apple", types=["ThreadRenamed"]) == (names[2], names[1])
    assert search(since=now - timedelta(hours=1)) == (names[2], names[1])
    assert search(since=now + timedelta(hours=1), text="apple") == ()
