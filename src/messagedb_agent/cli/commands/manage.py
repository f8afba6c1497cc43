"""end: the life of a thread, apart from its conversation."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.terminal import tell
from messagedb_agent.cli.wiring import category_of, configuration, reader, writer
from messagedb_agent.engine.session import terminate_session
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.store.threads import find_stream


def end(options: argparse.Namespace) -> int:
    """End a thread."""
    config = configuration(options)
    with reader(config) as connection:
        stream_name = find_stream(connection, category_of(options), options.thread)
    with writer(config) as store:
        terminate_session(store, stream_name, options.reason)
    tell(f"thread {parse_stream_name(stream_name).thread_id} has ended")
    return 0
