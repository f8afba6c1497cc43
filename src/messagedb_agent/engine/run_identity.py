"""Which run a process is part of: the one that it found unfinished, or one of its own."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from messagedb_agent.engine.steps.base import RunMark
from messagedb_agent.projections.run import Run
from messagedb_agent.projections.timers import Now, as_text


class RunIdentity:
    """Marks the claims of one process: it goes on with an unfinished run, or begins the next."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._own = str(uuid4())

    def run_id(self, run: Run) -> str:
        """The id of the run that the next claim belongs to, `run` being the thread's latest."""
        if run.is_open:
            return run.id
        if run.id == self._own:
            self._own = str(uuid4())
        return self._own

    def mark(self, run: Run, timeout: float | None) -> RunMark:
        """What the next claim says; a run that goes on keeps its deadline."""
        run_id = self.run_id(run)
        if run.is_open and run.deadline is not None:
            return RunMark(run_id, run.timeout, run.deadline)
        if timeout is None:
            return RunMark(run_id)
        return RunMark(run_id, timeout, as_text(self._now() + timedelta(seconds=timeout)))
