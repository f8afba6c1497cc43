"""Keeping up with streams on threads of their own: events of one thread, the list of all."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from messagedb_agent.engine.costs import summed
from messagedb_agent.engine.follow import Follower
from messagedb_agent.engine.history import read_history
from messagedb_agent.engine.live import Ears
from messagedb_agent.errors import AgentError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.system import ThreadForked
from messagedb_agent.llm.base import Delta
from messagedb_agent.store.quick import PsycopgQueries
from messagedb_agent.store.threads import ThreadSummary, newest_threads
from messagedb_agent.store.titles import newest_position, thread_titles
from messagedb_agent.store.usage import stream_usage
from messagedb_agent.tools.base import ToolProgress
from messagedb_agent.tui.messages import Arrived, Listed, Post, Priced, StoreChanged, Streamed
from messagedb_agent.tui.services import Services

POLL_SECONDS = 0.5
LIST_SECONDS = 2.0
LISTED_THREADS = 100


class _Poller:
    """Looks again and again, on a daemon thread, until it is closed."""

    def __init__(self, name: str, post: Post, pause_seconds: float) -> None:
        self._post = post
        self._pause = pause_seconds
        self._closed = False
        self._wake = threading.Event()
        self._is_away = False
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    def doubt(self) -> None:
        """Somebody else found the store away: tell when it is seen again."""
        self._is_away = True

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            try:
                self._look()
                self._tell_back()
                self._rest()
            except (AgentError, psycopg.Error) as error:
                self._tell_away(str(error))
            except Exception as error:  # noqa: BLE001 - what can't be read must not end the reading
                self._tell_away(f"{type(error).__name__}: {error}")

    def _rest(self) -> None:
        self._wake.wait(self._pause)

    def _tell_away(self, problem: str) -> None:
        self._is_away = True
        if not self._closed:
            self._post(StoreChanged(problem))
        self._wake.wait(self._pause)

    def _tell_back(self) -> None:
        if self._is_away:
            self._is_away = False
            self._post(StoreChanged(None))

    def _look(self) -> None:
        raise NotImplementedError


class Tail(_Poller):
    """
    Tells all events of one thread, from the first on, whoever writes them; first those that
    a fork shares. And the pieces of the answer that is being generated, and what tools tell.

    It is the only source of events for the screen, so they come in order and once; runs of
    this program are heard as those of any other are.
    """

    def __init__(self, services: Services, stream_name: str, post: Post) -> None:
        self.stream_name = stream_name
        self._store = services.store
        self._batch: list[RecordedEvent] = []
        self._has_told = False
        self._pieces: list[Delta] = []
        self._told: dict[str, str] = {}
        self._pieces_lock = threading.Lock()
        self._ears = Ears(services.store.session, stream_name)
        # Without deciders it has no opinion on what comes next: each look ends with a state.
        self._follower = Follower(
            services.store,
            stream_name,
            (),
            (self._batch.append,),
            ears=self._ears,
            on_delta=self._hear,
            on_progress=self._hear_tool,
        )
        self._is_closed = threading.Event()
        super().__init__(f"tail {stream_name}", post, POLL_SECONDS)

    def pieces(self) -> list[Delta]:
        """The pieces of the answer that came since the last call."""
        with self._pieces_lock:
            taken, self._pieces = self._pieces, []
        return taken

    def progress(self) -> dict[str, str]:
        """What tools told last since the last call, by the ids of their calls."""
        with self._pieces_lock:
            taken, self._told = self._told, {}
        return taken

    def _hear(self, delta: Delta) -> None:
        with self._hearing():
            self._pieces.append(delta)

    def _hear_tool(self, told: ToolProgress) -> None:
        with self._hearing():
            self._told[told.tool_call_id] = told.text

    @contextmanager
    def _hearing(self) -> Iterator[None]:
        # Events that came before it, the end of another answer among them.
        if self._batch:
            self._look()
        with self._pieces_lock:
            is_first = not (self._pieces or self._told)
            yield
        # One message for all pieces that come until it is handled: a slow terminal gets
        # fewer, larger pieces instead of a queue.
        if is_first and not self._closed:
            self._post(Streamed(self.stream_name))

    def _run(self) -> None:
        with self._ears:
            super()._run()

    def _rest(self) -> None:
        self._follower.pause(self._pause, self._is_closed)

    def _look(self) -> None:
        result = self._follower.look()
        if result is None or self._closed or (self._has_told and not self._batch):
            return
        records = (*self._shared(), *self._batch)
        self._batch.clear()
        self._has_told = True
        self._post(Arrived(self.stream_name, records, result.state))

    def _shared(self) -> list[RecordedEvent]:
        first = self._batch[0].event if self._batch and not self._has_told else None
        if not isinstance(first, ThreadForked):
            return []
        return read_history(self._store, first.origin_stream_name, first.origin_position)


class ThreadList(_Poller):
    """Tells which threads there are, and what they cost, whenever that may have changed."""

    def __init__(self, services: Services, post: Post) -> None:
        self._services = services
        self._position: int | None = None
        self._shown: str | None = None
        self._costs: dict[str, float | None] = {}
        self._priced: dict[str, str] = {}
        super().__init__("thread list", post, LIST_SECONDS)

    def include(self, stream_name: str) -> None:
        """Tell what this thread costs too, however old it is."""
        self._shown = stream_name
        self._position = None
        self.wake()

    def _look(self) -> None:
        category = self._services.stream_category
        with self._services.store.connection() as connection:
            queries = PsycopgQueries(connection)
            position = newest_position(queries, category)
            if position == self._position:
                return
            threads = newest_threads(queries, category, LISTED_THREADS)
            titles = thread_titles(queries, [thread.stream_name for thread in threads])
            if not self._closed:
                self._post(Listed(threads, titles))
            self._price(queries, threads, str(position))
        self._position = position

    def _price(self, queries: PsycopgQueries, threads: Sequence[ThreadSummary], now: str) -> None:
        """Sum up the threads in which something happened since they were last summed up."""
        when = {thread.stream_name: thread.last_activity for thread in threads}
        if self._shown is not None:
            when.setdefault(self._shown, now)
        changed = [name for name, last in when.items() if self._priced.get(name) != last]
        sums = stream_usage(queries, changed)
        for name in changed:
            usage = summed(row for row in sums if row.stream_name == name)
            self._costs[name] = usage["cost_usd"]
        self._priced.update(when)
        if changed and not self._closed:
            self._post(Priced(dict(self._costs)))
