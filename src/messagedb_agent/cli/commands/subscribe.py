"""subscribe: events as they are recorded, like `tail -f`."""

from __future__ import annotations

import argparse
import logging
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Literal

from messagedb_agent.cli.terminal import complain, paint, tell, visible, write
from messagedb_agent.cli.wiring import category_of, configuration, reader, writer
from messagedb_agent.config import Config
from messagedb_agent.errors import ThreadNotFoundError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.projections.transcript import Voice
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.store.threads import find_stream
from messagedb_agent.subscriber import ConversationPrinter, Subscriber

POLL_SECONDS = 0.2

_STYLES: dict[Voice | Literal["heading", "dim"], tuple[str, ...]] = {
    "user": ("bold", "green"),
    "assistant": ("bold", "blue"),
    "tool_call": ("cyan",),
    "tool_result": ("cyan",),
    "approval": ("yellow",),
    "error": ("red",),
    "system": ("dim",),
    "heading": ("bold",),
    "dim": ("dim",),
}

_EXISTS = (
    "SELECT 1 FROM message_store.messages WHERE message_store.category(stream_name) = $1 LIMIT 1"
)


def run(options: argparse.Namespace) -> int:
    """Print events until nobody wants more."""
    # Being interrupted is how this ends, be it before it has begun.
    with suppress(KeyboardInterrupt):
        _follow(options)
    return 0


def _follow(options: argparse.Namespace) -> None:
    # The pool tells of each connection that an outage costs; one line of ours is enough.
    logging.getLogger("psycopg").addHandler(logging.NullHandler())
    config = configuration(options)
    source = _source(config, category_of(options), options.target)
    with writer(config) as store:
        show = _Show(options.format, options.limit)
        member, size = options.group or (None, None)
        subscriber = Subscriber(
            store,
            source,
            show,
            start="end" if _only_new(options) else options.from_position or 0,
            event_types=options.event_types,
            correlation=options.correlation,
            consumer_group_member=member,
            consumer_group_size=size,
            poll_interval=POLL_SECONDS,
            on_problem=complain,
        )
        show.stop = subscriber.stop
        if sys.stderr.isatty():
            tell(paint(f"following {source}; Ctrl+C ends", "dim", stream=sys.stderr))
        with _until_told(subscriber.stop):
            subscriber.run()


class _Show:
    """Prints, and stops when that was enough or nobody reads any more."""

    def __init__(self, output: Literal["text", "pretty", "json"], limit: int | None) -> None:
        self._print = ConversationPrinter(self._write, output, paint=_paint, clean=visible)
        self._left = limit
        self.stop: Callable[[], None] = lambda: None

    def __call__(self, record: RecordedEvent) -> None:
        self._print(record)
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self.stop()

    def _write(self, text: str) -> None:
        if not write(sys.stdout, text):
            self.stop()


def _paint(text: str, style: Voice | Literal["heading", "dim"]) -> str:
    return paint(text, *_STYLES[style])


def _only_new(options: argparse.Namespace) -> bool:
    return not options.from_start and options.from_position is None


def _source(config: Config, category: str, target: str | None) -> str:
    if target is None:
        return category
    with reader(config) as connection:
        return _named(connection, category, target)


def _named(connection: QuickConnection, category: str, target: str) -> str:
    if "-" not in target and connection.query(_EXISTS, (target,)):
        return target
    try:
        return find_stream(connection, category, target.removeprefix(f"{category}-"))
    except ThreadNotFoundError:
        if ":" not in target:
            raise
        if "-" not in target:
            return target  # a category that has no events yet
        name = parse_stream_name(target)
        return find_stream(connection, f"{name.category}:{name.version}", name.thread_id)


@contextmanager
def _until_told(stop: Callable[[], None]) -> Iterator[None]:
    """Have signals, and the end of whoever reads our output, call `stop`."""
    presses = 0

    def on_signal(_signal: int, _frame: object) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            os._exit(0)
        stop()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)
    }
    threading.Thread(target=_when_nobody_reads, args=(stop,), daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _when_nobody_reads(stop: Callable[[], None]) -> None:
    # Without this, `subscribe | head -1` would stay until there is something more to write.
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    poll.poll()
    stop()
