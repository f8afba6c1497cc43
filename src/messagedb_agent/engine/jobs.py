"""A job of a step: one tool call, and who decides how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from messagedb_agent.cancellation import Cancellation
from messagedb_agent.engine.limits import Allowance
from messagedb_agent.errors import ToolError

ENDING_SECONDS = 70.0
"""How long a job may take to end: longer than the server lets a statement run."""


class Finished(msgspec.Struct, frozen=True):
    """How one job ended: a result, or the error that the model reads."""

    key: int
    result: Any
    error: ToolError | None
    seconds: float
    error_type: str | None = None


class Broken(msgspec.Struct, frozen=True):
    """A job ended with what neither it nor the model can handle."""

    key: int
    error: BaseException


Ended: TypeAlias = Finished | Broken

_State: TypeAlias = Literal["open", "ending", "over", "given up"]


class Job:
    """
    Work on a thread of its own.

    What time it has is asked of `allowance` when it begins. It ends once: by itself, or because
    its time is over or its run is stopped. A job that is about to commit says so by
    `begin_ending`: after that it is not given up any more, and one that was given up before does
    not get that far. So what is told of it, by exactly one `report`, is what became of it.
    """

    def __init__(
        self,
        key: int,
        work: Callable[[Job], Any],
        allowance: Callable[[], Allowance],
        stopped: Cancellation,
        report: Callable[[Ended], object],
    ) -> None:
        self.key = key
        self.cancelled = threading.Event()
        self._work = work
        self._allowance = allowance
        self._stopped = stopped
        self._report = report
        self._mutex = threading.Lock()
        self._state: _State = "open"
        self._began = self._deadline = 0.0
        self._allowed = Allowance(0.0, "no time")

    def begin(self) -> None:
        """Time counts from here."""
        self._allowed = self._allowance()
        self._began = time.monotonic()
        self._deadline = self._began + self._allowed.seconds

    def perform(self) -> None:
        """Do the work and report how it ended, unless it was given up meanwhile."""
        ended: Ended
        try:
            ended = Finished(self.key, self._work(self), None, self.seconds)
        except ToolError as error:
            ended = Finished(self.key, None, error, self.seconds)
        except BaseException as error:  # noqa: BLE001 - it belongs to the engine's thread and is raised there
            ended = Broken(self.key, error)
        with self._mutex:
            if self._state == "given up":
                return
            self._state = "over"
        self._report(ended)

    @property
    def timeout(self) -> float:
        """The seconds that it may take, from when it began; infinite, perhaps."""
        return self._allowed.seconds

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    @property
    def seconds_left(self) -> float:
        """How long it may go on before it is given up."""
        return self._deadline - time.monotonic() if self._state == "open" else float("inf")

    def begin_ending(self) -> None:
        """Raise `ToolError` if the job was given up; else it is not, from here on."""
        with self._mutex:
            if self._state == "given up":
                raise ToolError("nobody waits for this tool call any more")
            self._state = "ending"
            self._deadline = time.monotonic() + ENDING_SECONDS

    def begin_again(self) -> bool:
        """Go back to the beginning of the work, if anybody still waits for it."""
        with self._mutex:
            if self._state == "ending":
                self._state = "open"
                self._deadline = self._began + self.timeout
            return self._state == "open"

    def expire(self) -> bool:
        """
        Give the job up if its time is over or its run is stopped.

        True also when nothing good can come any more of what it does: it was given up
        before, or can't get to its end.
        """
        with self._mutex:
            is_late = time.monotonic() >= self._deadline
            if self._state == "open" and (is_late or self._stopped.is_set()):
                self._give_up()
                self._report(self._interrupted() if self._stopped.is_set() else self._late())
            return self._state == "given up" or (self._state == "ending" and is_late)

    def abandon(self) -> bool:
        """Give the job up and report nothing. False when it is about to end by itself."""
        with self._mutex:
            if self._state == "open":
                self._give_up()
            return self._state != "ending"

    def _give_up(self) -> None:
        self._state = "given up"
        self.cancelled.set()

    def _interrupted(self) -> Finished:
        error = ToolError("This tool call was interrupted.")
        return Finished(self.key, None, error, self.seconds, "interrupted")

    def _late(self) -> Finished:
        error = ToolError(f"The tool did not finish within {self._allowed.told}.")
        return Finished(self.key, None, error, self.seconds, "timeout")
