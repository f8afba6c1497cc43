from __future__ import annotations

from itertools import chain
from typing import Any

import psycopg
import pytest

from messagedb_agent import store as public
from messagedb_agent.errors import StoreUnavailableError, UsageError
from messagedb_agent.events import UserMessageAdded
from messagedb_agent.store import MessageDBClient, get_category_messages
from messagedb_agent.store.base import NewEvent
from tests import message_db

dsn = message_db.dsn
store = message_db.store
category = message_db.category


def write(store: MessageDBClient, stream_name: str, message: str, **metadata: Any) -> int:
    event = UserMessageAdded(message=message, timestamp="")
    (record,) = store.append(stream_name, [NewEvent(event=event, metadata=metadata or None)])
    return record.global_position


def messages(*arguments: Any, **options: Any) -> list[str]:
    records = get_category_messages(*arguments, **options)
    return [r.event.message for r in records if isinstance(r.event, UserMessageAdded)]


def test_a_category_is_read_across_streams_from_a_global_position(
    store: MessageDBClient, category: str
) -> None:
    write(store, f"{category}-a", "1")
    second = write(store, f"{category}-b", "2")
    write(store, f"{category}-a", "3")

    assert messages(store, category) == ["1", "2", "3"]
    assert messages(store, category, position=second) == ["2", "3"]
    assert messages(store, category, position=second, batch_size=1) == ["2"]
    assert messages(store, category, position=second + 2) == []
    assert messages(store, category, batch_size=-1) == ["1", "2", "3"]


def test_a_connection_does_as_well_and_sees_its_own_transaction(
    store: MessageDBClient, category: str
) -> None:
    with store.transaction() as connection:
        event = NewEvent(event=UserMessageAdded(message="mine", timestamp=""))
        store.append(f"{category}-a", [event], connection=connection)

        assert messages(connection, category) == ["mine"]
        assert messages(store, category) == []


def test_a_correlation_is_by_category(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "caused", correlationStreamName="orders-1")
    write(store, f"{category}-a", "not caused")
    write(store, f"{category}-a", "caused elsewhere", correlationStreamName="returns-1")

    assert messages(store, category, correlation="orders") == ["caused"]


def test_the_members_of_a_group_share_the_streams(store: MessageDBClient, category: str) -> None:
    for number in range(30):
        write(store, f"{category}-{number}", str(number))

    shares = [
        messages(store, category, consumer_group_member=member, consumer_group_size=3)
        for member in range(3)
    ]

    assert all(shares)
    assert sorted(chain.from_iterable(shares), key=int) == [str(number) for number in range(30)]


def test_a_condition_needs_a_server_that_allows_it(
    store: MessageDBClient, category: str, dsn: str
) -> None:
    write(store, f"{category}-a", "1")
    write(store, f"{category}-a", "2")
    condition = "position = 1"

    with pytest.raises(StoreUnavailableError, match="condition is not activated"):
        messages(store, category, condition=condition)
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT set_config('message_store.sql_condition', 'on', false)")
        assert messages(connection, category, condition=condition) == ["2"]


def test_stored_texts_come_along(store: MessageDBClient, category: str) -> None:
    write(store, f"{category}-a", "1", note="kept")

    (record,) = get_category_messages(store, category)

    assert record.data_text == '{"message": "1", "timestamp": ""}'
    assert record.metadata_text == '{"note": "kept"}'


@pytest.mark.parametrize(
    "arguments",
    [
        {"category": "has-dash"},
        {"category": ""},
        {"correlation": "has-dash"},
        {"position": -1},
        {"batch_size": 0},
        {"consumer_group_member": 1},
        {"consumer_group_size": 1},
        {"consumer_group_member": 2, "consumer_group_size": 2},
        {"consumer_group_member": -1, "consumer_group_size": 2},
        {"consumer_group_member": 0, "consumer_group_size": 40_000},
    ],
)
def test_what_the_server_would_refuse_is_refused_here(
    store: MessageDBClient, arguments: dict[str, Any]
) -> None:
    with pytest.raises(UsageError):
        get_category_messages(store, **{"category": "agent:v0", **arguments})


def test_the_package_offers_all_of_its_names() -> None:
    assert {name: getattr(public, name) is not None for name in public.__all__} == dict.fromkeys(
        public.__all__, True
    )
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = public.no_such_name
