"""whatif: the same question to another model, with the tool results that are recorded."""

from __future__ import annotations

import argparse

import msgspec

from messagedb_agent.cli.commands.travel import on_thread, print_difference
from messagedb_agent.cli.terminal import complain, tell
from messagedb_agent.cli.wiring import agent_for, configuration, new_stream
from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.engine.travel import fork_thread
from messagedb_agent.engine.whatif import Recording
from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.user import UserMessageAdded
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.stream import generate_thread_id


def run(options: argparse.Namespace) -> int:
    """Fork, run the fork, and print how it differs."""
    thread_id = generate_thread_id()
    target = new_stream(options, configuration(options), thread_id)
    with on_thread(options, options.thread) as (store, origin):
        records = read_history(store, origin)
        position = options.at if options.at is not None else _last_question(records, origin)
        fork_thread(store, origin, target, position, reason="what if")
        with AgentThread(store, target) as thread:
            agent = _agent(options, store, thread.state, records)
            thread.resume()
            result = thread.run(agent)
        print_difference(store, origin, target)
    tell(f"the other history is thread {thread_id}")
    if result.stop not in ("done", "truncated"):
        complain(result.error or f"it stopped: {result.stop}")
        return 1
    return 0


def _last_question(records: list[RecordedEvent], origin: str) -> int:
    asked = [
        record.position
        for record in records
        if isinstance(record.event, UserMessageAdded) and record.stream_name == origin
    ]
    if not asked:
        raise UsageError("the thread has no user message of its own; name a position with --at")
    return asked[-1]


def _agent(
    options: argparse.Namespace,
    store: EventStore,
    state: ThreadState,
    records: list[RecordedEvent],
) -> Agent:
    agent = agent_for(options, configuration(options), state)
    if options.tools == "real":
        return agent
    contents = Contents(store)
    recording = Recording(contents.whole(record.event) for record in records)
    return msgspec.structs.replace(agent, tools=recording.tools())
