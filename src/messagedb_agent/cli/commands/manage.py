"""interrupt, unschedule, end, rename: the life of a thread, apart from its conversation."""

from __future__ import annotations

import argparse

from messagedb_agent.cli.terminal import tell, visible
from messagedb_agent.cli.wiring import changing
from messagedb_agent.engine.scheduled import unschedule as take_back
from messagedb_agent.engine.session import interrupt_session, rename_session, terminate_session
from messagedb_agent.errors import UsageError
from messagedb_agent.store.stream import parse_stream_name


def interrupt(options: argparse.Namespace) -> int:
    """Ask for the running turn to stop."""
    with changing(options) as (store, stream_name):
        asked = interrupt_session(store, stream_name, options.reason)
    thread_id = parse_stream_name(stream_name).thread_id
    tell(f"thread {thread_id} was asked to stop" if asked else "no turn is running")
    return 0


def unschedule(options: argparse.Namespace) -> int:
    """Take messages back that were written for later."""
    with changing(options) as (store, stream_name):
        taken = take_back(store, stream_name, options.message, options.reason)
    for each in taken:
        tell(f"took back {each.schedule_id[:8]}, due at {each.due_at}: {visible(each.message)}")
    return 0


def end(options: argparse.Namespace) -> int:
    """End a thread."""
    with changing(options) as (store, stream_name):
        terminate_session(store, stream_name, options.reason)
    tell(f"thread {parse_stream_name(stream_name).thread_id} has ended")
    return 0


def rename(options: argparse.Namespace) -> int:
    """Give a thread a title."""
    title = " ".join(" ".join(options.title).split())
    if not title:
        raise UsageError("the title is empty; give some text")
    with changing(options) as (store, stream_name):
        rename_session(store, stream_name, title)
    tell(f"thread {parse_stream_name(stream_name).thread_id} is called {visible(title)}")
    return 0
