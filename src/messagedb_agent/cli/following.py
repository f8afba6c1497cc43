"""Showing a thread that somebody else drives, as it grows."""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from messagedb_agent.cli.outcome import EXIT_CODES, explain
from messagedb_agent.cli.reporter import Reporter, as_object
from messagedb_agent.cli.terminal import paint, say, tell, visible, write
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.follow import Follower, is_gap, settled
from messagedb_agent.engine.live import Ears
from messagedb_agent.engine.result import RunResult
from messagedb_agent.events.agent import LLMResponseReceived
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EventRow, encode
from messagedb_agent.llm.base import Delta
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tools.base import ToolProgress

PATIENCE_SECONDS = 5.0
POLL_SECONDS = 1.0


def leave_to_workers(options: argparse.Namespace, store: MessageDBClient, stream_name: str) -> int:
    """The end of a command with --no-wait: say which thread it is, or follow it; the exit code."""
    thread_id = parse_stream_name(stream_name).thread_id
    if options.follow:
        contents, show_thinking = Contents(store), options.show_thinking
        with Reporter(options.format, thread_id, contents, show_thinking=show_thinking) as reporter:
            result = watch_turn(store, stream_name, reporter)
            reporter.finish(result, stream_name)
        explain(result, thread_id)
        return EXIT_CODES[result.stop]
    if options.format == "text":
        say(thread_id)
    else:
        say(json.dumps({"thread_id": thread_id, "stream_name": stream_name, "stop": "added"}))
    return 0


def watch_turn(store: MessageDBClient, stream_name: str, reporter: Reporter) -> RunResult:
    """Follow what a worker does until the turn is over."""
    never, began, hinted = threading.Event(), time.monotonic(), False
    with Ears(store.session, stream_name) as ears:
        follower = Follower(
            store,
            stream_name,
            (settled,),
            (reporter.on_event,),
            ears=ears,
            on_delta=reporter.on_delta,
            on_progress=reporter.on_progress,
        )
        follower.look()
        reporter.begin()
        version = follower.version
        while (result := follower.wait(never)) is None:
            late = time.monotonic() - began > PATIENCE_SECONDS
            if late and not hinted and follower.version == version:
                tell("no worker has taken it up yet; `./cli worker` starts one")
                hinted = True
        return result


def watch_thread(
    store: MessageDBClient, stream_name: str, show: Callable[[EventRow], str], output: str
) -> None:
    """Print a thread's events and answers until it has ended, or somebody presses Ctrl+C."""
    screen = _Screen(show, output)
    never = threading.Event()
    with Ears(store.session, stream_name) as ears:
        follower = Follower(
            store,
            stream_name,
            (settled,),
            (screen.on_event,),
            ears=ears,
            on_delta=screen.on_delta,
            on_progress=screen.on_progress,
        )
        while screen.is_open:
            result = follower.look()
            if result is not None:
                screen.on_rest(result)
                if result.stop == "ended":
                    return
            follower.pause(POLL_SECONDS, never)


class _Screen:
    """Prints events, one answer in progress, and once for each turn that it is over."""

    def __init__(self, show: Callable[[EventRow], str], output: str) -> None:
        self._show = show
        self._is_text = output == "text"
        self._streamed = ""
        self._rested: tuple[object, ...] = ()
        self.is_open = True

    def on_event(self, record: RecordedEvent) -> None:
        if not self._is_text:
            self._write_object(as_object(record))
            return
        repeated = (
            isinstance(record.event, LLMResponseReceived)
            and record.event.response_text == self._streamed != ""
        )
        self._end_line()
        if repeated and sys.stdout.isatty():
            # What was just written as it came need not be read twice.
            self._write(paint(f"[{record.position}] {record.time:%H:%M:%S}", "dim") + "\n")
        else:
            self._write(f"{self._show(_row(record))}\n")

    def on_delta(self, delta: Delta) -> None:
        if not self._is_text:
            if is_gap(delta):
                self._write_object({"type": "gap", "kind": delta.kind})
            else:
                self._write_object({"type": "delta", "kind": delta.kind, "text": delta.text})
        elif delta.kind == "text":
            self._streamed += delta.text
            self._write(visible(delta.text))

    def on_progress(self, told: ToolProgress) -> None:
        if not self._is_text:
            self._write_object({"type": "progress", **msgspec.structs.asdict(told)})
            return
        self._end_line()
        self._write(paint(f"… {visible(f'{told.tool_name}: {told.text}')}", "dim") + "\n")

    def on_rest(self, result: RunResult) -> None:
        state = result.state
        # What is added to a thread at rest, such as a title, does not end its turn again.
        rested = result.stop, state.turn.claims, len(state.context.messages), state.run
        if self._rested == rested:
            return
        self._rested = rested
        if not self._is_text:
            self._write_object({"type": "stop", "stop": result.stop})
            return
        self._end_line()
        self._write(paint(f"· {result.stop}", "dim") + "\n")

    def _write_object(self, shown: dict[str, Any]) -> None:
        self._write(f"{json.dumps(shown)}\n")

    def _end_line(self) -> None:
        if self._streamed:
            self._streamed = ""
            self._write("\n")

    def _write(self, text: str) -> None:
        self.is_open = self.is_open and write(sys.stdout, text)


def _row(record: RecordedEvent) -> EventRow:
    encoded = encode(record.event)
    return EventRow(
        id=record.id,
        stream_name=record.stream_name,
        type=record.type,
        position=record.position,
        global_position=record.global_position,
        data=encoded.data,
        metadata=record.metadata_text or encoded.metadata,
        time=record.time,
    )
