"""start, message, continue: commands that drive a thread."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.attachments import keep_attachments, read_attachments
from messagedb_agent.cli.driving import drive, nothing
from messagedb_agent.cli.following import leave_to_workers
from messagedb_agent.cli.mcp import tool_servers
from messagedb_agent.cli.messages import message_of
from messagedb_agent.cli.model import parameters_for
from messagedb_agent.cli.wiring import agent_for, category_of, configuration, reader, writer
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
from messagedb_agent.llm.catalog import OFFLINE, preload
from messagedb_agent.projections.thread_state import THREAD_STATE, ThreadState
from messagedb_agent.store.stream import build_stream_name, generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream
from messagedb_agent.workers.queue import QueueingStore


def start(options: argparse.Namespace) -> int:
    """Begin a thread and answer its first message."""
    if options.continue_last:
        if options.thread_id:
            raise UsageError("--continue-last goes on with a thread; --thread-id names a new one")
        options.thread = "last"
        return message(options)
    config = configuration(options)
    preload(options.model or config.model_name or OFFLINE)
    text, files = message_of(options.message), read_attachments(options.attach)
    thread_id = options.thread_id or generate_thread_id()
    stream_name = build_stream_name(options.category, options.version, thread_id)
    with writer(config) as store:
        if options.thread_id and store.version(stream_name) >= 0:
            raise UsageError(f"thread {thread_id} exists already; `./cli message` adds to it")
        content = keep_attachments(store, files)
        if options.no_wait:
            start_session(
                QueueingStore(store, options.queue),
                text,
                content=content,
                thread_id=thread_id,
                category=options.category,
                version=options.version,
                configuration=_chosen(options, config, THREAD_STATE.initial),
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
    preload(options.model or config.model_name or OFFLINE)
    stream_name = _find(options, config)
    with writer(config) as store:
        if options.reopen:
            reopen_session(store, stream_name)
        content = keep_attachments(store, files)
        if options.no_wait:
            chosen = _chosen(options, config, read_state(store, stream_name))
            queue = QueueingStore(store, options.queue)
            add_message(queue, stream_name, text, content=content, configuration=chosen)
            return leave_to_workers(options, store, stream_name)
        return drive(
            options,
            config,
            store,
            stream_name,
            prepare=lambda thread: thread.send(text, content),
            when_busy=lambda: add_message(store, stream_name, text, content=content),
        )


def carry_on(options: argparse.Namespace) -> int:
    """Go on with a thread."""
    config = configuration(options)
    preload(options.model or config.model_name or OFFLINE)
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


def _find(options: argparse.Namespace, config: Config) -> str:
    category = category_of(options)
    with reader(config) as connection:
        return find_stream(connection, category, options.thread)


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
