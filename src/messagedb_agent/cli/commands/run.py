"""start, message, continue: commands that drive a thread."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from messagedb_agent.cli.attachments import keep_attachments, read_attachments
from messagedb_agent.cli.driving import drive, nothing
from messagedb_agent.cli.following import leave_to_workers
from messagedb_agent.cli.garbage import import_for_good
from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.messages import message_of
from messagedb_agent.cli.model import named_model, parameters_for, settings_for
from messagedb_agent.cli.wiring import (
    agent_for,
    category_of,
    configuration,
    new_stream,
    reader,
    refuse_known,
    writer,
)
from messagedb_agent.config import Config
from messagedb_agent.engine.session import (
    add_message,
    read_state,
    reopen_session,
    resume_session,
    start_session,
)
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ThreadEndedError, UsageError
from messagedb_agent.events.agent import AgentConfigured
from messagedb_agent.llm.catalog import preload
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.stream import generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream, last_model
from messagedb_agent.tools import builtin_tools
from messagedb_agent.workers.queue import QueueingStore


def start(options: argparse.Namespace) -> int:
    """Begin a thread and answer its first message."""
    if options.continue_last:
        if options.thread_id:
            raise UsageError("--continue-last goes on with a thread; --thread-id names a new one")
        options.thread = "last"
        return message(options)
    config = configuration(options)
    _preload(options, config, None)
    text, files = message_of(options.message), read_attachments(options.attach)
    thread_id = options.thread_id or generate_thread_id()
    stream_name = new_stream(options, config, thread_id)
    with writer(config) as store:
        if options.thread_id:
            refuse_known(options, store, thread_id)
        content = keep_attachments(store, files)
        due_at = _due_time(options)
        if options.no_wait or due_at:
            start_session(
                QueueingStore(store, options.queue),
                text,
                content=content,
                thread_id=thread_id,
                category=options.category,
                version=options.version,
                shards=config.shards,
                configuration=_chosen(options, config, THREAD_STATE.initial),
                due_at=due_at,
            )
            return leave_to_workers(options, store, stream_name)
        return drive(
            options,
            config,
            store,
            stream_name,
            prepare=lambda thread: thread.start(text, content=content),
            when_busy=nothing,
        )


def message(options: argparse.Namespace) -> int:
    """Add a message to a thread and answer it."""
    config = configuration(options)
    text, files = message_of(options.message), read_attachments(options.attach)
    stream_name = _find(options, config)
    with writer(config) as store:
        if options.reopen:
            reopen_session(store, stream_name)
        content = keep_attachments(store, files)
        due_at = _due_time(options)
        if options.no_wait or due_at:
            chosen = _chosen(options, config, read_state(store, stream_name))
            queue = QueueingStore(store, options.queue)
            add_message(
                queue, stream_name, text, content=content, configuration=chosen, due_at=due_at
            )
            return leave_to_workers(options, store, stream_name)

        def add_beside() -> None:
            add_message(store, stream_name, text, content=content)

        return drive(
            options,
            config,
            store,
            stream_name,
            prepare=lambda thread: thread.send(text, content),
            when_busy=add_beside,
        )


def carry_on(options: argparse.Namespace) -> int:
    """Go on with a thread."""
    config = configuration(options)
    stream_name = _find(options, config)
    with writer(config) as store:
        if read_state(store, stream_name).session.is_ended:
            thread_id = parse_stream_name(stream_name).thread_id
            raise ThreadEndedError(
                f"thread {thread_id} has ended; `./cli message {thread_id} MSG --reopen` reopens it"
            )
        if options.no_wait:
            queue = QueueingStore(store, options.queue)
            if not resume_session(queue, stream_name):
                queue.hint(stream_name)
            return leave_to_workers(options, store, stream_name)
        return drive(
            options,
            config,
            store,
            stream_name,
            prepare=AgentThread.resume,
            when_busy=nothing,
        )


def _due_time(options: argparse.Namespace) -> datetime | None:
    """When the message is to be added, unless now."""
    if options.after is not None:
        options.at = datetime.now(UTC) + timedelta(seconds=options.after)
    due: datetime | None = options.at
    if due is not None and options.follow:
        raise UsageError("--follow would see nothing yet; `./cli show THREAD --follow` waits")
    return due


def _find(options: argparse.Namespace, config: Config) -> str:
    category = category_of(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category, options.thread)
        _preload(options, config, last_model(connection, stream_name))
        return stream_name


def _preload(options: argparse.Namespace, config: Config, kept: str | None) -> None:
    """Import the SDK of the model that is about to be called, while the store connects."""
    if not options.no_wait:
        name = named_model(options, config, kept)
        builtin_tools()  # imported now, they do not get in the way of the SDK's import
        preload(name, settings_for(config), import_sdk=import_for_good)


def _chosen(
    options: argparse.Namespace, config: Config, state: ThreadState
) -> AgentConfigured | None:
    """The model, prompt and parameters that workers shall use, if the options name any."""
    current = state.context.configuration
    parameters = current.parameters if current else {}
    if not (options.model or options.system) and parameters_for(options, state) == parameters:
        return None
    with tool_servers(options, config) as servers:
        return agent_for(options, config, state, servers).configuration()
