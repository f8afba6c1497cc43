"""What threads are called in lists, read through libpq as the command line does."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.events.base import Event
from messagedb_agent.events.system import SessionStarted, ThreadForked
from messagedb_agent.events.user import ThreadRenamed, UserMessageAdded
from messagedb_agent.store import schema
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.operations import Batch, append_events
from messagedb_agent.store.quick import QuickConnection, quick_connection
from messagedb_agent.store.titles import thread_titles
from tests.postgres import NewDatabase

SAID = UserMessageAdded(message="about apples")
FORKED = ThreadForked(origin_stream_name="agent:v0-said", origin_position=1)
THREADS: dict[str, list[Event]] = {
    "agent:v0-said": [SessionStarted(thread_id="said"), SAID],
    "agent:v0-named": [SessionStarted(thread_id="named"), SAID, ThreadRenamed(title="fruit")],
    "agent:v0-silent": [SessionStarted(thread_id="silent")],
    "agent:v0-fork": [FORKED],
    "agent:v0-talked": [FORKED, UserMessageAdded(message="about pears")],
}


@pytest.fixture
def connection(server: NewDatabase) -> Iterator[QuickConnection]:
    database = server()
    with psycopg.connect(database, autocommit=True) as own:
        schema.install(own)
        for name, events in THREADS.items():
            append_events(own, Batch.of(name, [NewEvent(event=event) for event in events]))
    with quick_connection(conninfo_to_dict(database)) as connection:
        yield connection


def test_a_thread_is_called_by_its_name_its_first_message_or_its_origin(
    connection: QuickConnection,
) -> None:
    assert thread_titles(connection, list(THREADS)) == {
        "agent:v0-said": "about apples",
        "agent:v0-named": "fruit",
        "agent:v0-fork": "about apples",
        "agent:v0-talked": "about pears",
    }
