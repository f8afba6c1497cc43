"""How a running consumer waits: for events, for being stopped, for the database."""

from __future__ import annotations

import threading

import pytest

from messagedb_agent.store import MessageDBClient
from messagedb_agent.subscriber import Subscriber
from tests.message_db import outage
from tests.subscriber.history import PATIENCE_SECONDS, Seen, running, write


def test_an_append_ends_a_long_wait(store: MessageDBClient, category: str) -> None:
    seen = Seen()

    with running(Subscriber(store, category, seen, poll_interval=1000)):
        for count in (1, 2):
            write(store, f"{category}-a", str(count))
            seen.wait_for_count(count)


def test_without_notifications_polling_finds_what_is_new(
    store: MessageDBClient, category: str
) -> None:
    seen = Seen()

    with running(Subscriber(store, category, seen, poll_interval=0.02, listen=False)):
        write(store, f"{category}-a", "1")
        seen.wait_for_count(1)


@pytest.mark.parametrize("how", ["stop", "event"])
def test_it_stops_soon_though_it_polls_seldom(
    store: MessageDBClient, category: str, how: str
) -> None:
    write(store, f"{category}-a", "1")
    seen, event = Seen(), threading.Event()
    subscriber = Subscriber(store, category, seen, poll_interval=1000)
    thread = threading.Thread(target=subscriber.run, args=(event,))
    thread.start()
    seen.wait_for_count(1)

    if how == "stop":
        subscriber.stop()
    else:
        event.set()
    thread.join(5)

    assert not thread.is_alive()


def test_an_outage_of_the_database_is_waited_out(
    store: MessageDBClient, category: str, dsn: str
) -> None:
    write(store, f"{category}-a", "before")
    take_away, give_back = outage(dsn)
    seen, told = Seen(), threading.Event()
    problems: list[str] = []

    def on_problem(line: str) -> None:
        problems.append(line)
        told.set()

    subscriber = Subscriber(store, category, seen, poll_interval=0.05, on_problem=on_problem)
    with running(subscriber):
        seen.wait_for_count(1)
        take_away()
        try:
            assert told.wait(PATIENCE_SECONDS)
        finally:
            give_back()
        write(store, f"{category}-a", "after")
        seen.wait_for_count(2)

    assert seen.messages == ["before", "after"]
    assert len(problems) == 1
    assert "waiting for it" in problems[0]
