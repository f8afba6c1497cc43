"""
A process that has everything imported and makes copies of itself to be killed.

It says "ready", and then reads lines. `drive STREAM` makes a copy that drives that thread, from
wherever it is, to its end; `try STREAM` one that leaves when somebody else drives it. Both are
answered with the number of the copy's process. `wait NUMBER` is answered with how it ended, once
it has; what it had to say is in a file of that number.

What tools and the model do is noted in a file of each thread, in the instant in which they do it.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.session import approve
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import AgentError, ThreadBusyError, ToolNotExecutedError
from messagedb_agent.llm.base import Completion, ModelRequest
from messagedb_agent.llm.retry import RetryPolicy
from messagedb_agent.llm.scripted import ScriptedModel
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tools import ToolContext, ToolRegistry, tool
from tests.engine.helpers import new_stream

LOCK_PATIENCE_SECONDS = 30.0
MOMENT = 0.005


def call(name: str, **arguments: str) -> dict[str, Any]:
    return {"name": name, "arguments": arguments, "id": f"{name}{arguments.get('entry', '')}"}


SCRIPT: list[dict[str, Any]] = [
    {
        "tool_calls": [call("book", entry="one"), call("look"), call("fragile")],
        "delay_seconds": MOMENT,
    },
    {
        "tool_calls": [
            *map(call, ("probed", "doubtful", "guarded", "look")),
            call("book", entry="two"),
            call("book", entry="loudly"),
        ],
        "delay_seconds": MOMENT,
        "errors": [{"error_type": "overloaded"}],
    },
    {"text": "all booked", "delay_seconds": MOMENT},
    *[{"text": "noted", "delay_seconds": MOMENT}] * 300,
]
CALLS = 9
ANSWERS = 3


class Notes:
    """What was done in a thread; a line is there as soon as `add` returns, whoever dies then."""

    def __init__(self, folder: Path, thread_id: str) -> None:
        self._path = folder / f"{thread_id}.notes"

    def add(self, kind: str, key: str) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{kind} {key}\n".encode())
        finally:
            os.close(handle)

    def all(self) -> list[tuple[str, str]]:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [(kind, key) for kind, _, key in (line.partition(" ") for line in lines)]


FOLDER = Path()


def do(context: ToolContext) -> str:
    """Take a moment before and after what can be seen from outside."""
    context.cancelled.wait(MOMENT)
    Notes(FOLDER, context.thread_id).add(context.tool_call_id, context.idempotency_key)
    context.cancelled.wait(MOMENT)
    return "done"


@tool(permission="allow", transactional=True)
def book(entry: str, context: ToolContext) -> str:
    """Write an entry into the ledger; loudly, with an event that locks the category from there."""
    assert context.connection is not None
    context.connection.execute("INSERT INTO bookings VALUES (%s, %s)", (context.thread_id, entry))
    if entry == "loudly":
        context.connection.execute(
            "SELECT message_store.write_message(gen_random_uuid()::text, %s, 'Booked', '{}')",
            (new_stream(),),
        )
    return do(context)


@tool(permission="allow", recovery="retry")
def look(context: ToolContext) -> str:
    """Do what may be done twice."""
    return do(context)


@tool(permission="allow", recovery="fail")
def fragile(context: ToolContext) -> str:
    """Do what may not be done twice."""
    return do(context)


def look_for_it(_arguments: object, context: ToolContext) -> str:
    if ("probed", context.idempotency_key) in Notes(FOLDER, context.thread_id).all():
        return "found"
    raise ToolNotExecutedError("no trace of it")


@tool(permission="allow", recovery="probe", probe=look_for_it)
def probed(context: ToolContext) -> str:
    """Do what leaves a trace."""
    return do(context)


@tool(permission="allow", recovery="ask")
def doubtful(context: ToolContext) -> str:
    """Do what a person has to look after."""
    return do(context)


@tool(permission="ask", recovery="retry")
def guarded(context: ToolContext) -> str:
    """Do what a person has to allow."""
    return do(context)


class NotedModel(ScriptedModel):
    """Notes each time it is asked."""

    thread_id = ""

    def complete(self, request: ModelRequest, **more: Any) -> Completion:
        Notes(FOLDER, self.thread_id).add("model", str(request.attempt))
        return super().complete(request, **more)


def drive(dsn: str, stream: str, *, patient: bool) -> None:
    model = NotedModel(SCRIPT)
    model.thread_id = parse_stream_name(stream).thread_id
    agent = Agent(
        llm=model,
        tools=ToolRegistry(book, look, fragile, probed, doubtful, guarded),
        retry=RetryPolicy(first_pause=0),
    )
    with MessageDBClient({"dbname": dsn}) as client, opened(client, stream, patient) as thread:
        if thread.state.session.status == "new":
            thread.start("book it")
        thread.resume()
        result = thread.run(agent)
        while result.stop == "waiting":
            # The person is quick, so that nobody else is needed to get a thread to its end.
            approve(client, stream, result.pending, approved_by="a person")
            thread.catch_up()
            result = thread.run(agent)
    print(f"{result.stop}: {result.response or result.error}", flush=True)


def opened(client: MessageDBClient, stream: str, patient: bool) -> AgentThread:
    """The thread; the patient wait for the server to notice that its last driver is dead."""
    deadline = time.monotonic() + (LOCK_PATIENCE_SECONDS if patient else 0)
    while True:
        try:
            client.lock(stream).release()
        except ThreadBusyError:
            if time.monotonic() > deadline:
                raise
        else:
            return AgentThread(client, stream)


def be_a_copy(dsn: str, command: str, stream: str) -> None:
    output = os.open(FOLDER / f"{os.getpid()}.out", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        drive(dsn, stream, patient=command == "drive")
    except AgentError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(error.exit_code)
    os._exit(0)


def main(dsn: str) -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        command, argument = line.split()
        if command == "wait":
            _, status = os.waitpid(int(argument), 0)
            print(status, flush=True)
            continue
        child = os.fork()
        if not child:
            be_a_copy(dsn, command, argument)
        print(child, flush=True)


if __name__ == "__main__":
    FOLDER = Path(sys.argv[2])
    with suppress(KeyboardInterrupt):
        main(sys.argv[1])
