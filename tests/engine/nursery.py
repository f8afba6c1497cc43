"""
A process that has everything imported and makes copies of itself to be killed.

It says "ready", and then reads pairs of lines. The first one is the name of a stream: a copy
drives that thread, from wherever it is, to its end. The second one, which is empty, lets the copy
go once it has ended. For each pair it prints the number of the copy's process, what the copy had
to say, and how it ended.
"""

from __future__ import annotations

import os
import sys
import time

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ThreadBusyError
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools import ToolContext, ToolRegistry, tool

SCRIPT = [
    {
        "tool_calls": [
            {"name": "book", "arguments": {"entry": "one"}},
            {"name": "look", "arguments": {}},
            {"name": "fragile", "arguments": {}},
        ],
        "delay_seconds": 0.005,
    },
    {"tool_calls": [{"name": "book", "arguments": {"entry": "two"}}], "delay_seconds": 0.005},
    {"text": "all booked", "delay_seconds": 0.005},
]


@tool(permission="allow", transactional=True)
def book(entry: str, context: ToolContext) -> str:
    """Write an entry into the ledger."""
    assert context.connection is not None
    context.connection.execute("INSERT INTO bookings VALUES (%s, %s)", (context.thread_id, entry))
    return "booked"


@tool(permission="allow", recovery="retry")
def look(context: ToolContext) -> str:
    """Take a moment."""
    context.cancelled.wait(0.01)
    return "seen"


@tool(permission="allow", recovery="fail")
def fragile(context: ToolContext) -> str:
    """Take a moment, and not twice."""
    context.cancelled.wait(0.01)
    return "whole"


def drive(dsn: str, stream: str) -> None:
    agent = Agent(llm=ScriptedModel(SCRIPT), tools=ToolRegistry(book, look, fragile))
    with MessageDBClient({"dbname": dsn}) as client, opened(client, stream) as thread:
        if thread.state.session.status == "new":
            thread.start("book it")
        result = thread.run(agent)
    print(f"{result.stop}: {result.response}", flush=True)


def opened(client: MessageDBClient, stream: str) -> AgentThread:
    """The thread, once the server has noticed that its last driver is dead."""
    deadline = time.monotonic() + 10
    while True:
        try:
            client.lock(stream).release()
        except ThreadBusyError:
            if time.monotonic() > deadline:
                raise
        else:
            return AgentThread(client, stream)


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            drive(sys.argv[1], line.strip())
            sys.stdout.flush()
            os._exit(0)
        print(child, flush=True)
        sys.stdin.readline()  # until then its number means it and nobody else
        _, status = os.waitpid(child, 0)
        print(f"ended {status}", flush=True)


if __name__ == "__main__":
    main()
