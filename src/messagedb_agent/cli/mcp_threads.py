"""What an MCP client may do with threads: begin one, say something, read, list."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from messagedb_agent.cli.reporter import status_of
from messagedb_agent.cli.wiring import agent_for, category_of, new_stream, reader
from messagedb_agent.config import Config
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.live import Announcer
from messagedb_agent.engine.result import RunResult
from messagedb_agent.engine.session import add_message, read_state
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import ClaimLostError, ThreadBusyError, ThreadEndedError
from messagedb_agent.projections.transcript import entry
from messagedb_agent.store.stream import generate_thread_id, parse_stream_name
from messagedb_agent.store.threads import find_stream, newest_threads
from messagedb_agent.tools.results import cut
from messagedb_agent.workers.reminder import RemindingStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from messagedb_agent.store.client import MessageDBClient
    from messagedb_agent.tools.mcp import McpServers

MAX_SHOWN = 1000
MAX_TEXT = 8_000

OnRunning = Callable[[AgentThread], None]
"""Is told which thread a call drives, so that it can be interrupted."""


class Threads:
    """The threads of one category, each call on its own and from any thread of this process."""

    def __init__(
        self,
        options: argparse.Namespace,
        config: Config,
        store: MessageDBClient,
        servers: McpServers | None,
    ) -> None:
        self._options = options
        self._config = config
        self._store = store
        self._servers = servers
        self._announcer = Announcer(store)
        self._idle = threading.Condition()
        self._running: set[AgentThread] = set()

    def start(self, message: str, on_running: OnRunning) -> dict[str, Any]:
        """Begin a thread and drive it until it needs nothing more, or somebody."""
        stream_name = new_stream(self._options, self._config, generate_thread_id())
        return self._drive(stream_name, lambda thread: thread.start(message), on_running)

    def send(self, thread: str, message: str, on_running: OnRunning) -> dict[str, Any]:
        """Add a message and drive the thread; if another process does, only add it."""
        stream_name = self._find(thread)
        said = False

        def say(opened: AgentThread) -> None:
            nonlocal said
            opened.send(message)
            said = True

        try:
            return self._drive(stream_name, say, on_running)
        except (ThreadBusyError, ClaimLostError) as busy:
            if not said:
                add_message(self._store, stream_name, message)
            return {
                "thread_id": parse_stream_name(stream_name).thread_id,
                "stop": "added",
                "hint": f"{busy}; show_thread shows the answer when there is one",
            }
        except ThreadEndedError as ended:
            # What the command line would advise here is not offered to MCP clients.
            raise ThreadEndedError(f"{str(ended).partition(';')[0]}; start another") from ended

    def show(self, thread: str, limit: int) -> dict[str, Any]:
        """The last events of a thread, as they are told to people."""
        stream_name = self._find(thread)
        records = read_history(self._store, stream_name)
        shown = records[-max(1, min(limit, MAX_SHOWN)) :]
        state = read_state(self._store, stream_name)
        return {
            "thread_id": parse_stream_name(stream_name).thread_id,
            "status": status_of(RunResult("done", state)),
            "event_count": len(records),
            "entries": [
                {"position": record.position, "time": f"{record.time.isoformat()}Z"}
                | {"who": told.voice, "text": cut(told.text, MAX_TEXT)}
                for record in shown
                for told in (entry(record.event),)
            ],
        }

    def list(self, limit: int) -> dict[str, Any]:
        """The newest threads."""
        with reader(self._config) as connection:
            found = newest_threads(
                connection, category_of(self._options), max(1, min(limit, MAX_SHOWN))
            )
        return {"threads": [thread._asdict() for thread in found]}

    def stop(self, seconds: float) -> None:
        """Interrupt what runs, and give it some time to write that down."""
        with self._idle:
            for thread in self._running:
                thread.interrupt()
            self._idle.wait_for(lambda: not self._running, seconds)
        self._announcer.close()

    def _find(self, thread: str) -> str:
        with reader(self._config) as connection:
            return find_stream(connection, category_of(self._options), thread)

    def _drive(
        self, stream_name: str, prepare: Callable[[AgentThread], None], on_running: OnRunning
    ) -> dict[str, Any]:
        voice = self._announcer.voice(stream_name)
        with AgentThread(
            RemindingStore(self._store),
            stream_name,
            observers=(voice.on_event,),
            on_delta=voice.on_delta,
            on_progress=voice.on_progress,
        ) as thread:
            voice.begin()
            agent = agent_for(self._options, self._config, thread.state, self._servers)
            prepare(thread)
            with self._kept(thread):
                on_running(thread)
                result = thread.run(agent)
        return _told(result, parse_stream_name(stream_name).thread_id)

    @contextmanager
    def _kept(self, thread: AgentThread) -> Iterator[None]:
        with self._idle:
            self._running.add(thread)
        try:
            yield
        finally:
            with self._idle:
                self._running.discard(thread)
                self._idle.notify_all()


def _told(result: RunResult, thread_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "thread_id": thread_id,
        "status": status_of(result),
        "stop": result.stop,
        "response": result.response,
        "error": result.error,
        "pending_approvals": [
            {"id": call.call.id, "name": call.call.name, "arguments": call.arguments}
            for call in result.pending
        ],
    }
    if result.stop == "waiting":
        told["hint"] = (
            f"a person has to decide: `./cli approve {thread_id}` or `./cli deny {thread_id}`, "
            f"then `./cli continue {thread_id}`"
        )
    elif result.stop in ("failed", "limit", "interrupted"):
        told["hint"] = f"`./cli continue {thread_id}` goes on"
    return told
