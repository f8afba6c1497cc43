"""What a command that drives a thread lets others see of it: log lines, and traces on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from messagedb_agent.config import Config
from messagedb_agent.engine.recorder import Annotate, Observer, no_annotations
from messagedb_agent.observability.activity import Activity
from messagedb_agent.observability.library_logs import bridge_library_logs
from messagedb_agent.observability.logging import bound

if TYPE_CHECKING:
    from messagedb_agent.observability.telemetry import Telemetry


class Observation:
    """One command's view on one thread; `driving` each time that it opens the thread."""

    def __init__(self, thread_id: str, run_id: str, telemetry: Telemetry | None) -> None:
        self._thread_id = thread_id
        self._run_id = run_id
        self._telemetry = telemetry
        self._activity = Activity()

    def begin(self) -> None:
        """From here on events are new, not history."""
        self._activity.begin()

    @contextmanager
    def driving(self) -> Iterator[tuple[tuple[Observer, ...], Annotate]]:
        """The observers and the annotation for an `AgentThread`."""
        self._activity = Activity()
        if self._telemetry is None:
            yield (self._activity,), no_annotations
            return
        spans = self._telemetry.observe(self._thread_id, self._run_id)
        try:
            yield (self._activity, spans), spans.annotate
        finally:
            spans.close()


Observe = Callable[[str], AbstractContextManager[Observation]]
"""Observes a thread, given by its id, while a block runs."""


@contextmanager
def observatory(config: Config) -> Iterator[Observe]:
    """What observes threads, also several at once, as ENABLE_TRACING and the LOG_ variables say."""
    bridge_library_logs()
    telemetry: Telemetry | None = None
    if config.enable_tracing:
        from messagedb_agent.observability.telemetry import Telemetry as Sender

        telemetry = Sender(config.environ)

    @contextmanager
    def observe(thread_id: str) -> Iterator[Observation]:
        run_id = str(uuid4())
        with bound(thread_id=thread_id, run_id=run_id):
            yield Observation(thread_id, run_id, telemetry)

    try:
        yield observe
    finally:
        if telemetry is not None:
            telemetry.close()


@contextmanager
def observed(config: Config, thread_id: str) -> Iterator[Observation]:
    """Observe what is done with one thread in the block."""
    with observatory(config) as observe, observe(thread_id) as observation:
        yield observation
