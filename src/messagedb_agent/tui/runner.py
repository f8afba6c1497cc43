"""Driving threads while the screen goes on: each run on a thread of execution of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from messagedb_agent.engine.live import Announcer, Voice
from messagedb_agent.engine.observing import observed
from messagedb_agent.engine.session import add_message
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.errors import AgentError, ThreadBusyError
from messagedb_agent.events.base import JSONObject
from messagedb_agent.store.base import EventStore
from messagedb_agent.store.stream import parse_stream_name
from messagedb_agent.tui.messages import Added, Failed, Post, RunEnded
from messagedb_agent.tui.services import Services

Prepare = Callable[[AgentThread], None]
"""What to do with a thread before it runs: begin it, say something, resume it."""


def nothing(_thread: AgentThread) -> None:
    """Only run."""


class Said(msgspec.Struct, frozen=True):
    """What somebody said, and the blocks of files that go along with it."""

    message: str
    files: tuple[JSONObject, ...] | None = None

    def tell(self, thread: AgentThread) -> None:
        """Say it; a first attempt to begin the thread may have failed, and this be the second."""
        if thread.state.session.status == "new":
            thread.start(self.message, content=self.files)
        else:
            thread.send(self.message, self.files)

    def add(self, store: EventStore, stream_name: str) -> None:
        """Leave it to whoever drives the thread."""
        add_message(store, stream_name, self.message, content=self.files)


class Run:
    """
    One run of one thread, on a daemon thread.

    Not one of Textual's workers: the program waits for those when it ends, and a model or a
    tool may take long to notice that nobody waits for it.
    """

    def __init__(
        self,
        services: Services,
        stream_name: str,
        prepare: Prepare,
        *,
        said: Said | None,
        post: Post,
        voice: Voice,
    ) -> None:
        self.stream_name = stream_name
        self._services = services
        self._prepare = prepare
        self._said = said
        self._post = post
        self._voice = voice
        self._stopped = threading.Event()
        self._again = threading.Event()
        self._thread: AgentThread | None = None
        self._worker = threading.Thread(target=self._go, name=f"run {stream_name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._worker.start()

    def stop(self) -> None:
        """Ask for the turn to stop; it ends with an event that says so."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.interrupt()

    def go_on(self) -> None:
        """Look again for something to do before ending: a message was added meanwhile."""
        self._again.set()

    @property
    def wants_more(self) -> bool:
        """Whether `go_on` came too late for this run."""
        return self._again.is_set()

    def wait(self, seconds: float) -> None:
        """Wait until the run is over, or for so long."""
        self._worker.join(max(0.0, seconds))

    def _go(self) -> None:
        problem: str | None = None
        try:
            self._drive()
        except ThreadBusyError as busy:
            problem = self._leave_it_to_the_driver(busy)
        except AgentError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - shown to the person; the screen must go on
            problem = f"{type(error).__name__}: {error}"
        finally:
            unsent = self._said.message if self._said else None
            self._post(RunEnded(self.stream_name, problem, unsent=unsent))

    def _drive(self) -> None:
        thread_id = parse_stream_name(self.stream_name).thread_id
        with (
            observed(thread_id, self._services.telemetry) as observation,
            observation.driving() as (observers, annotate),
            AgentThread(
                self._services.run_store or self._services.store,
                self.stream_name,
                observers=(*observers, self._voice.on_event),
                on_delta=self._voice.on_delta,
                on_progress=self._voice.on_progress,
                annotate=annotate,
            ) as thread,
        ):
            observation.begin(thread.run_id)
            self._voice.begin()
            # Written down before anything can go wrong, a model that is not set up for one.
            self._prepare(thread)
            thread.commit()
            self._said = None
            agent = self._services.make_agent(thread.state)
            self._thread = thread
            while True:
                if self._stopped.is_set():
                    thread.interrupt()
                self._again.clear()
                result = thread.run(agent)
                if result.stop != "done" or not self._again.is_set():
                    return
                thread.catch_up()

    def _leave_it_to_the_driver(self, busy: ThreadBusyError) -> str:
        """Somebody else drives the thread; what was said still gets there."""
        if self._said is not None:
            try:
                self._said.add(self._services.store, self.stream_name)
                self._said = None
            except AgentError as error:
                return str(error)
        return f"{busy}; following"


class Runner:
    """The runs of this program, at most one for each thread."""

    def __init__(self, services: Services, post: Post) -> None:
        self._services = services
        self._post = post
        self._announcer = Announcer(services.store)
        self._runs: dict[str, Run] = {}

    def is_driving(self, stream_name: str) -> bool:
        """Whether a run of this program has the thread."""
        return stream_name in self._runs

    @property
    def streams(self) -> Sequence[str]:
        """The threads being driven."""
        return tuple(self._runs)

    def say(
        self, stream_name: str, message: str, files: tuple[JSONObject, ...] | None = None
    ) -> None:
        """Say something in a thread, new or old; a run that goes on already takes it up."""
        said = Said(message, files)
        if stream_name not in self._runs:
            self._start(stream_name, said.tell, said)
            return

        def add() -> None:
            said.add(self._services.store, stream_name)
            self.announce(stream_name)
            self._post(Added(stream_name))

        self.apart(add, message)

    def resume(self, stream_name: str) -> None:
        """Go on with a thread, also when its turn failed, was interrupted or met a limit."""
        self._start(stream_name, AgentThread.resume, None)

    def run(self, stream_name: str) -> None:
        """Do what there is to do in a thread."""
        self._start(stream_name, nothing, None)

    def stop(self, stream_name: str) -> None:
        """Interrupt the run of a thread."""
        if run := self._runs.get(stream_name):
            run.stop()

    def announce(self, stream_name: str) -> None:
        """Tell whoever watches a thread, here and elsewhere, that it has new events."""
        self._announcer.say_event(stream_name)

    def go_on(self, stream_name: str) -> None:
        """There is something new to do in a thread: for its run, or else for another one."""
        if run := self._runs.get(stream_name):
            run.go_on()
        else:
            self.run(stream_name)

    def ended(self, stream_name: str) -> None:
        """A run said that it is over."""
        run = self._runs.pop(stream_name, None)
        if run and run.wants_more:
            self.run(stream_name)

    def apart(self, work: Callable[[], None], message: str | None = None) -> None:
        """Do something short with the store, about a message maybe, beside the screen."""

        def do() -> None:
            try:
                work()
            except AgentError as error:
                self._post(Failed(str(error), message))
            except Exception as error:  # noqa: BLE001 - shown to the person; the screen must go on
                self._post(Failed(f"{type(error).__name__}: {error}", message))

        threading.Thread(target=do, name="errand", daemon=True).start()

    def close(self, seconds: float) -> None:
        """Interrupt all runs, and wait a while for their last events to be written."""
        deadline = time.monotonic() + seconds
        runs = list(self._runs.values())
        for run in runs:
            run.stop()
        for run in runs:
            run.wait(deadline - time.monotonic())
        self._announcer.close()

    def _start(self, stream_name: str, prepare: Prepare, said: Said | None) -> None:
        if stream_name in self._runs:
            return
        run = self._runs[stream_name] = Run(
            self._services,
            stream_name,
            prepare,
            said=said,
            post=self._post,
            voice=self._announcer.voice(stream_name),
        )
        run.start()
