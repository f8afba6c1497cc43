"""Searches find what is there, by whichever way, whoever wrote it and whenever they looked last."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messagedb_agent.cli.listing import TELLING
from messagedb_agent.engine.archiving import archive_thread, unarchive_thread
from messagedb_agent.errors import StoreUnavailableError
from messagedb_agent.events import (
    LLMCallFailed,
    LLMResponseReceived,
    SessionCompleted,
    SessionStarted,
    UserMessageAdded,
)
from messagedb_agent.events.base import Event
from messagedb_agent.events.user import ThreadRenamed
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.quick import QuickConnection, quick_connection
from messagedb_agent.store.search import finding, index, search_threads
from messagedb_agent.store.search.index import TELLING_TYPES, rebuild

pytestmark = pytest.mark.usefixtures("no_glance")

CATEGORY = "agent:v0"

TEXTS = (
    "What is 20 plus 22?",
    "what is 20 PLUS 22!",
    "ab",
    "abc",
    "ABCABC",
    "Straße nach Österreich",
    "STRASSE NACH ÖSTERREICH",
    "İstanbul'da hava",
    "你好世界和平",
    "今天天气很好",
    "नमस्ते दुनिया",
    "100% of a_b\\c\"d'e",
    "emoji 👩‍👩‍👧 family",
    "one line\nand another\tone",
    "long " * 300 + "needle",
    "query a & !b | (c) <-> 'd':*",
    "\x01 begin",
    "",
)
PATTERNS = (
    "20 plus", "PLUS 22", "plus 23", "ab", "abc", "cab", "straße", "ÖSTERREICH", "österreich",
    "hava", "İst", "你好世", "世界和平", "好", "你好", "好世", "天气", "世今", "अ", "ते",
    "100%", "%", "_b\\", 'c"d',
    "👩‍👩‍👧", "line\nand", "needle",
    "g n", "long long long", "no such thing", " ",
    "t", "W", "\\", "'d", "🐦", "a & !b", "a | b:*", "('", "\x01",
)  # fmt: skip


def some_text(shortest: int) -> st.SearchStrategy[str]:
    odd = st.sampled_from("'\\:*&|! \x01aA")
    letters = odd | st.characters(codec="utf-8", exclude_characters="\0")
    return st.text(letters, min_size=shortest, max_size=9)


def write(client: MessageDBClient, name: str, *past: Event) -> str:
    stream = f"{CATEGORY}-{name}"
    client.append(stream, [NewEvent(event=event) for event in past])
    return stream


def found(quick: QuickConnection, text: str, limit: int = 100) -> set[str]:
    return set(search_threads(quick, CATEGORY, limit, text=text))


def last_position(quick: QuickConnection) -> str | None:
    ((position,),) = quick.query("SELECT max(global_position) FROM message_store.messages")
    return position


def without_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST_CANDIDATES", 0)


def never_looks_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks(*_: object) -> tuple[str, ...]:
        raise AssertionError("all events were looked at")

    monkeypatch.setattr(finding, "look_at_all", looks)


def test_the_index_finds_exactly_what_looking_at_all_finds(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place, text in enumerate(TEXTS):
        write(client, f"said-{place}", UserMessageAdded(message=text))
        write(client, f"told-{place}", LLMResponseReceived(response_text=text))
        write(client, f"called-{place}", ThreadRenamed(title=text))
        write(client, f"failed-{place}", LLMCallFailed(error_message=text))
    with monkeypatch.context() as patch:
        never_looks_at_all(patch)
        indexed = {pattern: found(quick, pattern) for pattern in PATTERNS if pattern}

    without_the_index(monkeypatch)

    assert indexed == {pattern: found(quick, pattern) for pattern in indexed}
    assert len(indexed["20 plus"]) == 6


@pytest.mark.parametrize("text", ["q", "qj", "Qj!", "é", "好", "天气", "'", "\\", "%"])
def test_a_text_of_any_length_is_found_by_the_index(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    write(client, "other", UserMessageAdded(message="j q"))
    names = {
        write(client, f"t{place}", UserMessageAdded(message=message))
        for place, message in enumerate((text, f"xx{text}", f"{text}xx", f"xxx{text}x"))
    }
    never_looks_at_all(monkeypatch)

    assert found(quick, text) >= names


def test_what_is_too_long_to_be_entered_is_looked_at(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(120_000))
    stream = write(client, "t", UserMessageAdded(message=letters))
    write(client, "u", UserMessageAdded(message="short"))
    never_looks_at_all(monkeypatch)

    assert found(quick, letters[100_000:100_010]) == {stream}
    assert found(quick, letters[1:]) == {stream}
    assert found(quick, letters[100_000:100_010] + "x") == set()


@given(before=some_text(0), text=some_text(1), after=some_text(0))
def test_what_has_a_text_in_it_has_its_pieces(
    entered: QuickConnection, before: str, text: str, after: str
) -> None:
    told = "messagedb_agent.search_pieces($1) @@ messagedb_agent.search_text($2)"

    assert entered.query(f"SELECT {told}", (before + text + after, text)) == [["t"]]


def test_what_few_threads_have_is_found_without_looking_at_all(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ended = UserMessageAdded(message="apple pie"), SessionCompleted()
    stream = write(client, "t", said, ended)
    write(client, "u", said)
    never_looks_at_all(monkeypatch)

    assert search_threads(quick, CATEGORY, 9, types=["SessionCompleted"]) == (stream,)
    assert search_threads(quick, CATEGORY, 9, text="pie", types=["SessionCompleted"]) == (stream,)
    assert len(found(quick, "pie")) == 2


def test_several_ways_to_be_found_go_together(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ended = UserMessageAdded(message="apple pie"), SessionCompleted()
    write(client, "said", said)
    write(client, "ended", ended)
    both = write(client, "both", said, ended)
    wishes: dict[str, Any] = {"text": "apple", "types": ["SessionCompleted", "LimitReached"]}

    assert search_threads(quick, CATEGORY, 9, **wishes) == (both,)
    assert len(search_threads(quick, CATEGORY, 9, types=wishes["types"])) == 2
    without_the_index(monkeypatch)
    assert search_threads(quick, CATEGORY, 9, **wishes) == (both,)


def test_types_that_are_not_entered_are_found_all_the_same(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    stream = write(client, "t", SessionStarted(thread_id="t"), UserMessageAdded(message="x"))

    assert search_threads(quick, CATEGORY, 9, types=["SessionStarted", "LimitReached"]) == (stream,)


def test_what_has_come_since_the_last_search_is_found_whoever_wrote_it(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_looks_at_all(monkeypatch)
    assert found(quick, "news") == set()
    write(client, "ours", UserMessageAdded(message="news"))
    quick.query(
        "SELECT message_store.write_message($1, $2, $3, $4)",
        (
            "0f8fad5b-d9cb-469f-a165-70867728950e",
            f"{CATEGORY}-theirs",
            "UserMessageAdded",
            json.dumps({"message": "more news"}),
        ),
    )

    assert found(quick, "news") == {f"{CATEGORY}-ours", f"{CATEGORY}-theirs"}


def test_the_newest_come_first_and_no_more_than_are_wanted(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    said = UserMessageAdded(message="apple")
    names = [write(client, name, said) for name in ("one", "two", "three")]
    write(client, "one", said)

    assert search_threads(quick, CATEGORY, 2, text="apple") == (names[2], names[1])


def test_a_thread_counts_once_however_often_it_says_it(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    older = write(client, "older", UserMessageAdded(message="apple"))
    newer = write(client, "newer", *[UserMessageAdded(message="apple")] * 5)

    assert search_threads(quick, CATEGORY, 2, text="apple") == (newer, older)


def test_a_name_that_is_used_again_tells_of_the_new_thread(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_looks_at_all(monkeypatch)
    first = write(client, "t", UserMessageAdded(message="apple"))
    between = write(client, "between", UserMessageAdded(message="pear"))
    assert found(quick, "apple") == {first}
    quick.query("DELETE FROM message_store.messages WHERE stream_name = $1", (first,))
    assert found(quick, "apple") == set()

    write(client, "t", UserMessageAdded(message="pear"))

    assert search_threads(quick, CATEGORY, 9, text="pear") == (first, between)
    assert found(quick, "apple") == set()


def test_since_leaves_those_in_which_something_happened(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    apple = UserMessageAdded(message="apple")
    old, awake = write(client, "old", apple), write(client, "awake", apple)
    new = write(client, "new", apple)
    quick.query("UPDATE message_store.messages SET time = time - interval '1 day'")
    write(client, "awake", UserMessageAdded(message="pear"))
    since = datetime.now(UTC) - timedelta(hours=1)
    fresh = write(client, "fresh", UserMessageAdded(message="plum"))

    def search(limit: int = 9, **wishes: Any) -> tuple[str, ...]:
        return search_threads(quick, CATEGORY, limit, **wishes)

    assert search(since=since) == (fresh, awake)
    assert search(1, since=since) == (fresh,)
    assert search(since=since, text="apple") == (awake,)
    assert search(since=since - timedelta(days=2), text="apple") == (new, awake, old)
    assert search(since=datetime.now(UTC) + timedelta(hours=1)) == ()


def test_a_category_is_not_searched_for_another(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    write(client, "t", UserMessageAdded(message="apple"))
    client.append("other:v0-t", [NewEvent(event=UserMessageAdded(message="apple"))])

    assert search_threads(quick, "other:v0", 9, text="apple") == ("other:v0-t",)
    assert found(quick, "apple") == {f"{CATEGORY}-t"}


def test_what_is_too_much_for_a_page_is_entered_page_by_page(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "PAGE_EVENTS", 3)
    names = {write(client, str(n), UserMessageAdded(message=f"apple {n}")) for n in range(9)}

    assert found(quick, "apple") == names
    assert quick.query("SELECT count(*) FROM messagedb_agent.search_entries") == [["9"]]


def test_an_archived_thread_is_found_again_once_it_is_back(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_looks_at_all(monkeypatch)
    stream = write(client, "t", SessionStarted(thread_id="t"), ThreadRenamed(title="apple"))
    archive_thread(client, stream)
    # Its events are behind all that is entered now.
    write(client, "newer", UserMessageAdded(message="pear"))
    assert found(quick, "apple") == set()

    unarchive_thread(client, stream)

    assert found(quick, "apple") == {stream}


def test_a_thread_comes_back_from_the_archive_when_the_index_was_dropped(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    stream = write(client, "t", SessionStarted(thread_id="t"), ThreadRenamed(title="apple"))
    found(quick, "apple")
    archive_thread(client, stream)
    quick.query("DROP TABLE messagedb_agent.search_entries")

    unarchive_thread(client, stream)

    assert found(quick, "apple") == {stream}


def test_many_new_events_are_told_of_once(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "PAGE_EVENTS", 3)
    told: list[None] = []
    for number in range(9):
        write(client, str(number), UserMessageAdded(message="apple"))
        search_threads(quick, CATEGORY, 9, text="apple", on_many=lambda: told.append(None))
    assert told == []

    rebuild(quick, "another:v0")
    search_threads(quick, CATEGORY, 9, text="apple", on_many=lambda: told.append(None))

    assert told == [None]


def test_an_entry_is_not_believed(
    client: MessageDBClient, quick: QuickConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    never_looks_at_all(monkeypatch)
    write(client, "t", UserMessageAdded(message="apple"))
    found(quick, "apple")
    quick.query(
        "INSERT INTO messagedb_agent.search_entries "
        "SELECT began, n, messagedb_agent.search_pieces('pear') "
        "FROM messagedb_agent.search_entries, generate_series(0, 1) AS n "
        "UNION ALL SELECT 0, 0, messagedb_agent.search_pieces('pear') "
        "ON CONFLICT (began, position) DO UPDATE SET terms = excluded.terms",
    )

    assert found(quick, "pear") == set()


@pytest.mark.parametrize(
    "harm",
    [
        "DROP SCHEMA messagedb_agent CASCADE",
        "DROP TABLE messagedb_agent.search_entries",
        "DROP TABLE messagedb_agent.search_progress",
        "DROP INDEX messagedb_agent.search_entries_terms",
        "COMMENT ON TABLE messagedb_agent.search_entries IS 'of another version'",
    ],
)
def test_what_is_gone_or_of_another_version_is_made_anew(
    client: MessageDBClient, quick: QuickConnection, harm: str
) -> None:
    stream = write(client, "t", UserMessageAdded(message="apple"))
    found(quick, "apple")

    quick.query(harm)

    assert found(quick, "apple") == {stream}
    assert index.catch_up(quick, CATEGORY) == last_position(quick)


def test_what_was_written_past_the_rules_is_found_after_building_anew(
    client: MessageDBClient, quick: QuickConnection
) -> None:
    ((earlier,),) = quick.query("SELECT nextval('message_store.messages_global_position_seq')")
    write(client, "t", UserMessageAdded(message="pear"))
    found(quick, "pear")
    quick.query(
        "INSERT INTO message_store.messages "
        "(global_position, position, stream_name, type, data) VALUES ($1, 0, $2, $3, $4)",
        (earlier, f"{CATEGORY}-odd", "UserMessageAdded", json.dumps({"message": "apple"})),
    )
    assert found(quick, "apple") == set()

    rebuild(quick, CATEGORY)

    assert found(quick, "apple") == {f"{CATEGORY}-odd"}
    assert found(quick, "pear") == {f"{CATEGORY}-t"}


def test_who_may_not_write_searches_all_the_same(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    stream = write(client, "t", UserMessageAdded(message="apple"))
    with quick_connection(
        {**message_db, "options": "-c default_transaction_read_only=on"}
    ) as reader:
        with pytest.raises(StoreUnavailableError, match="read-only"):
            index.catch_up(reader, CATEGORY)
        assert found(reader, "apple") == {stream}
        with pytest.raises(StoreUnavailableError, match="read-only"):
            rebuild(reader, CATEGORY)


def test_all_who_search_first_at_the_same_time_find_it(
    client: MessageDBClient, message_db: dict[str, Any]
) -> None:
    names = {write(client, str(n), UserMessageAdded(message=f"apple {n}")) for n in range(30)}
    seen: list[set[str]] = []
    ready = threading.Barrier(4)

    def search() -> None:
        with quick_connection(message_db) as quick:
            ready.wait(10)
            seen.append(found(quick, "apple"))

    searchers = [threading.Thread(target=search) for _ in range(4)]
    for searcher in searchers:
        searcher.start()
    for searcher in searchers:
        searcher.join(60)

    assert seen == [names] * 4


def test_the_types_that_tell_a_status_are_entered() -> None:
    assert {name for names in TELLING.values() for name in names} == set(TELLING_TYPES)
