"""interrupt, end: the life of a thread, apart from its conversation."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.terminal import tell
from messagedb_agent.cli.wiring import category_of, configuration, reader, writer
from messagedb_agent.engine.session import interrupt_session, terminate_session
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.store.threads import find_stream


def interrupt(options: argparse.Namespace) -> int:
    """Ask for the running turn to stop."""
    config = configuration(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category_of(options), options.thread)
    with writer(config) as store:
        asked = interrupt_session(store, stream_name, options.reason)
    thread_id = parse_stream_name(stream_name).thread_id
    tell(f"thread {thread_id} was asked to stop" if asked else "no turn is running")
    return 0


def end(options: argparse.Namespace) -> int:
    """End a thread."""
    config = configuration(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category_of(options), options.thread)
    with writer(config) as store:
        terminate_session(store, stream_name, options.reason)
    tell(f"thread {parse_stream_name(stream_name).thread_id} has ended")
    return 0
