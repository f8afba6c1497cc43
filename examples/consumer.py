"""A consumer: counts tokens in a table of its own, each event exactly once."""

from __future__ import annotations

from typing import Any

import psycopg

from local_store import open_store
from messagedb_agent.engine import Agent, process_thread, start_session
from messagedb_agent.engine.session import add_message
from messagedb_agent.events import LLMResponseReceived, RecordedEvent
from messagedb_agent.llm import create_llm_client
from messagedb_agent.store import MessageDBClient, TablePositions
from messagedb_agent.store.stream import build_category, build_stream_name
from messagedb_agent.subscriber import Subscriber, in_transaction
from messagedb_agent.tools import ToolRegistry, builtin_tools

TABLE = """
    CREATE TABLE IF NOT EXISTS public.token_counts (
        stream_name text PRIMARY KEY, tokens bigint NOT NULL
    )
"""
ADD = """
    INSERT INTO public.token_counts AS counts VALUES (%s, %s)
    ON CONFLICT (stream_name) DO UPDATE SET tokens = counts.tokens + excluded.tokens
"""


@in_transaction
def add_tokens(record: RecordedEvent, connection: psycopg.Connection[Any]) -> None:
    """The row and the consumer's position commit together, or not at all."""
    assert isinstance(record.event, LLMResponseReceived), "it asks for no other events"
    usage = record.event.token_usage or {}
    connection.execute(ADD, (record.stream_name, usage.get("total_tokens", 0)))


def catch_up(store: MessageDBClient, category: str) -> int:
    """Handle what is there by now, as a process that starts again does; the number of events."""
    subscriber = Subscriber(
        store,
        category,
        add_tokens,
        event_types=[LLMResponseReceived],
        position_store=TablePositions(store),
        consumer_id="token-counts",
    )
    read = 0
    while batch := subscriber.run_once():
        read += batch
    return read


def counted(store: MessageDBClient, stream_name: str) -> int:
    """The tokens in the table."""
    with store.connection() as connection:
        row = connection.execute(
            "SELECT tokens FROM public.token_counts WHERE stream_name = %s", (stream_name,)
        ).fetchone()
    return row[0] if row else 0


def main() -> None:
    """Two turns, and a consumer that starts anew after each of them."""
    agent = Agent(llm=create_llm_client("offline"), tools=ToolRegistry(*builtin_tools()))
    with open_store() as store:
        with store.connection() as connection:
            connection.execute(TABLE)
        thread_id = start_session(store, "What is 6 * 7?", category="example")
        stream_name = build_stream_name("example", "v0", thread_id)
        for message in (None, "What is 42 / 4?"):
            if message:
                add_message(store, stream_name, message)
            recorded = process_thread(store, stream_name, agent).state.usage.total_tokens
            catch_up(store, build_category("example"))
            print("counted all tokens:", counted(store, stream_name) == recorded > 0)
        print("left to read:", catch_up(store, build_category("example")))


if __name__ == "__main__":
    main()
