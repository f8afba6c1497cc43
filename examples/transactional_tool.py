"""A tool whose effect and whose event are committed together, or not at all."""

from __future__ import annotations

from local_store import open_store
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ToolError
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name, generate_thread_id
from messagedb_agent.tools import ToolContext, ToolRegistry, tool

TABLE = """
    CREATE TABLE IF NOT EXISTS public.bookings (
        id bigint GENERATED ALWAYS AS IDENTITY, thread_id text NOT NULL, seats int NOT NULL
    )
"""


@tool(permission="allow", transactional=True)
def book(seats: int, context: ToolContext) -> str:
    """Book seats."""
    assert context.connection is not None, "transactional tools always get one"
    context.connection.execute(
        "INSERT INTO public.bookings (thread_id, seats) VALUES (%s, %s)",
        (context.thread_id, seats),
    )
    if seats > 4:
        # The row above is rolled back, and ToolExecutionFailed is written instead.
        raise ToolError("at most 4 seats can be booked at once")
    return f"{seats} seats are booked"


def booked(store: MessageDBClient, thread_id: str) -> list[int]:
    """What the thread has booked, as the table tells."""
    with store.connection() as connection:
        rows = connection.execute(
            "SELECT seats FROM public.bookings WHERE thread_id = %s ORDER BY id", (thread_id,)
        ).fetchall()
    return [row[0] for row in rows]


def main() -> None:
    """One booking too large, one that is right: one row and one success."""
    model = ScriptedModel(
        [
            {"tool_calls": [{"name": "book", "arguments": {"seats": 9}}]},
            {"tool_calls": [{"name": "book", "arguments": {"seats": 4}}]},
            {"text": "4 seats are booked; 9 were too many."},
        ]
    )
    agent = Agent(llm=model, tools=ToolRegistry(book))
    thread_id = generate_thread_id()
    with open_store() as store:
        with store.connection() as connection:
            connection.execute(TABLE)
        with AgentThread(store, build_stream_name("agent", "v0", thread_id)) as thread:
            thread.start("Book 9 seats, or as many as you can.")
            print(thread.run(agent).response)
        print("rows:", booked(store, thread_id))


if __name__ == "__main__":
    main()
