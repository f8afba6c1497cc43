"""What somebody who drives a thread lets others see of it: log lines, and traces on request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from messagedb_agent.engine.recorder import Annotate, Observer, no_annotations
from messagedb_agent.observability.activity import Activity
from messagedb_agent.observability.logging import bound

if TYPE_CHECKING:
    from messagedb_agent.observability.telemetry import Telemetry


class Observation:
    """One driver's view on one thread; `driving` each time that it opens the thread."""

    def __init__(self, thread_id: str, telemetry: Telemetry | None) -> None:
        self._thread_id = thread_id
        self._telemetry = telemetry
        self._activity = Activity()

    def begin(self, run_id: str) -> None:
        """From here on events are new, not history, and of this run."""
        self._activity.begin(run_id)

    @contextmanager
    def driving(self) -> Iterator[tuple[tuple[Observer, ...], Annotate]]:
        """The observers and the annotation for an `AgentThread`."""
        self._activity = Activity()
        if self._telemetry is None:
            yield (self._activity,), no_annotations
            return
        spans = self._telemetry.observe(self._thread_id)
        try:
            yield (self._activity, spans), spans.annotate
        finally:
            spans.close()


@contextmanager
def observed(thread_id: str, telemetry: Telemetry | None) -> Iterator[Observation]:
    """Observe what is done with a thread in the block; traces only with `telemetry`."""
    with bound(thread_id=thread_id):
        yield Observation(thread_id, telemetry)
