"""whatif: the same question to another model, with the tool results that are recorded."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager, nullcontext

import msgspec

from messagedb_agent.cli.commands.travel import on_thread, print_difference
from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.outcome import EXIT_CODES, explain
from messagedb_agent.cli.progress import Progress
from messagedb_agent.cli.terminal import tell
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
from messagedb_agent.tools.mcp import McpServers


def run(options: argparse.Namespace) -> int:
    """Fork, run the fork, and print how it differs."""
    thread_id = generate_thread_id()
    target = new_stream(options, configuration(options), thread_id)
    with on_thread(options, options.thread) as (store, origin):
        records = read_history(store, origin)
        source, position = (origin, options.at) if options.at is not None else _question(records)
        fork_thread(store, source, target, position, reason="what if")
        with _servers(options) as servers, AgentThread(store, target) as thread:
            agent = _agent(options, store, thread.state, records, servers)
            thread.resume()
            with Progress(f"asking {agent.llm.model_name}"):
                result = thread.run(agent)
        if not print_difference(store, origin, target, beside=True):
            tell("both say the same")
    tell(f"the other history is thread {thread_id}")
    explain(result, thread_id)
    return EXIT_CODES[result.stop]


def _servers(options: argparse.Namespace) -> AbstractContextManager[McpServers | None]:
    """Recorded results need nobody who could give others."""
    if options.tools == "recorded":
        return nullcontext()
    return tool_servers(options, configuration(options))


def _question(records: list[RecordedEvent]) -> tuple[str, int]:
    """Where the last user message is recorded: perhaps in a thread that this one came from."""
    asked = [record for record in records if isinstance(record.event, UserMessageAdded)]
    if not asked:
        raise UsageError("the thread has no user message; name a position with --at")
    return asked[-1].stream_name, asked[-1].position


def _agent(
    options: argparse.Namespace,
    store: EventStore,
    state: ThreadState,
    records: list[RecordedEvent],
    servers: McpServers | None,
) -> Agent:
    agent = agent_for(options, configuration(options), state, servers)
    if options.tools == "real":
        return agent
    contents = Contents(store)
    recording = Recording(contents.whole(record.event) for record in records)
    return msgspec.structs.replace(agent, tools=recording.tools())
