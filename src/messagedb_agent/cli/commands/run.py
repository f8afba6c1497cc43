"""start, message, continue: commands that drive a thread."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable

from messagedb_agent.cli.ask import ask_about
from messagedb_agent.cli.interrupt import interruptible
from messagedb_agent.cli.messages import message_of
from messagedb_agent.cli.reporter import Reporter
from messagedb_agent.cli.terminal import complain, is_interactive, say, tell
from messagedb_agent.cli.wiring import agent_for, category_of, configuration, reader, writer
from messagedb_agent.config import Config
from messagedb_agent.engine.session import (
    add_message,
    approve,
    deny,
    read_state,
    reopen_session,
    start_session,
)
from messagedb_agent.engine.thread import AgentThread, RunResult
from messagedb_agent.errors import ThreadBusyError, ThreadEndedError, UsageError
from messagedb_agent.projections.thread_state import ThreadState
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import build_stream_name, generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream

_EXIT_CODES = {
    "done": 0,
    "truncated": 0,
    "ended": 0,
    "failed": 1,
    "refused": 1,
    "waiting": 3,
    "limit": 4,
    "interrupted": 130,
}


def start(options: argparse.Namespace) -> int:
    """Begin a thread and answer its first message."""
    config = configuration(options)
    text = message_of(options.message)
    thread_id = options.thread_id or generate_thread_id()
    stream_name = build_stream_name(options.category, options.version, thread_id)
    with writer(config) as store:
        if options.thread_id and store.version(stream_name) >= 0:
            raise UsageError(f"thread {thread_id} exists already; `message` adds to it")
        if options.no_wait:
            start_session(
                store, text, thread_id=thread_id, category=options.category, version=options.version
            )
            return _say_added(options, stream_name)
        return _drive(options, config, store, stream_name, lambda thread: thread.start(text))


def message(options: argparse.Namespace) -> int:
    """Add a message to a thread and answer it."""
    config = configuration(options)
    text = message_of(options.message)
    stream_name = _find(options, config)
    with writer(config) as store:
        if options.reopen:
            reopen_session(store, stream_name)
        if options.no_wait:
            add_message(store, stream_name, text)
            return _say_added(options, stream_name)
        try:
            return _drive(options, config, store, stream_name, lambda thread: thread.send(text))
        except ThreadBusyError as busy:
            add_message(store, stream_name, text)
            raise ThreadBusyError(f"the message was added, but {busy}") from busy


def carry_on(options: argparse.Namespace) -> int:
    """Go on with a thread."""
    config = configuration(options)
    stream_name = _find(options, config)
    with writer(config) as store:
        if read_state(store, stream_name).session.is_ended:
            thread_id = parse_stream_name(stream_name).thread_id
            raise ThreadEndedError(
                f"thread {thread_id} has ended; `message {thread_id} MSG --reopen` reopens it"
            )
        return _drive(options, config, store, stream_name, AgentThread.resume)


def _find(options: argparse.Namespace, config: Config) -> str:
    category = category_of(options)
    with reader(config) as connection:
        return find_stream(connection, category, options.thread)


def _drive(
    options: argparse.Namespace,
    config: Config,
    store: MessageDBClient,
    stream_name: str,
    prepare: Callable[[AgentThread], None],
) -> int:
    reporter = Reporter(
        options.format,
        parse_stream_name(stream_name).thread_id,
        show_thinking=options.show_thinking,
    )
    with AgentThread(
        store, stream_name, observers=(reporter.on_event,), on_delta=reporter.on_delta
    ) as thread:
        agent = agent_for(options, config, thread.state)
        reporter.begin()
        prepare(thread)
        with interruptible(thread):
            result = thread.run(agent)
            while result.stop == "waiting" and options.format == "text" and is_interactive():
                if not _ask(store, stream_name, result.state):
                    break
                thread.catch_up()
                result = thread.run(agent)
    reporter.finish(result, stream_name)
    _explain(result, thread.thread_id)
    return _EXIT_CODES[result.stop]


def _ask(store: MessageDBClient, stream_name: str, state: ThreadState) -> bool:
    """Ask the person about each pending call. False when they want to decide later."""
    for call in state.calls.pending:
        answer = ask_about(call)
        if answer is None:
            return False
        if answer.allowed:
            approve(
                store,
                stream_name,
                (call,),
                approved_by=answer.who,
                edited_arguments=answer.edited_arguments,
                remember=answer.remember,
            )
        else:
            deny(store, stream_name, (call,), rejected_by=answer.who, reason=answer.reason)
    return True


def _explain(result: RunResult, thread_id: str) -> None:
    match result.stop:
        case "failed":
            complain(f"{result.error or 'the turn failed'}; `continue {thread_id}` tries again")
        case "refused":
            complain("the model refused to answer")
        case "truncated":
            complain("the answer ended early, at the model's limit")
        case "waiting":
            for call in result.pending:
                arguments = json.dumps(call.arguments)
                complain(
                    f"{call.call.name} {arguments[:300]} waits for approval: "
                    f"`approve {thread_id} {call.call.id}` or `deny {thread_id} {call.call.id}`, "
                    f"then `continue {thread_id}`"
                )
        case "limit":
            limit = result.state.turn.limit
            name = limit.limit if limit else "a limit"
            complain(f"stopped at {name}; `continue {thread_id}` goes on")
        case "interrupted":
            tell("")
            complain(f"interrupted; `continue {thread_id}` goes on")


def _say_added(options: argparse.Namespace, stream_name: str) -> int:
    thread_id = parse_stream_name(stream_name).thread_id
    if options.format == "text":
        say(thread_id)
    else:
        say(json.dumps({"thread_id": thread_id, "stream_name": stream_name, "stop": "added"}))
    return 0
