"""What a command that drives a thread lets others see of it: log lines, and traces on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def observed(config: Config, thread_id: str) -> Iterator[Observation]:
    """Observe what is done in the block as ENABLE_TRACING and the LOG_ variables say."""
    bridge_library_logs()
    run_id = str(uuid4())
    with bound(thread_id=thread_id, run_id=run_id):
        if not config.enable_tracing:
            yield Observation(thread_id, run_id, None)
            return
        from messagedb_agent.observability.telemetry import Telemetry

        telemetry = Telemetry(config.environ)
        try:
            yield Observation(thread_id, run_id, telemetry)
        finally:
            telemetry.close()
