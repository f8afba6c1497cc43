"""A job that is about to end and those who give it up: one of them is first, and that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from messagedb_agent.engine.jobs import Broken, Ended, Finished, Job
from messagedb_agent.engine.limits import Limits
from messagedb_agent.errors import ToolError


class Told:
    """A job that has begun, and what was reported of it."""

    def __init__(
        self, work: Callable[[Job], Any] = lambda _job: "done", timeout: float | None = None
    ) -> None:
        self.reports: list[Ended] = []
        self.stopped = threading.Event()
        self.job = Job(
            7, work, lambda: Limits().allowance(0.0, timeout), self.stopped, self.reports.append
        )
        self.job.begin()

    @property
    def types(self) -> list[str | None]:
        return [report.error_type for report in self.reports if isinstance(report, Finished)]


def test_a_job_that_ends_by_itself_is_told_of_once() -> None:
    told = Told()
    told.job.perform()
    told.stopped.set()

    assert not told.job.expire()
    assert [report.key for report in told.reports] == [7]


def test_what_nobody_expects_is_told_as_it_is() -> None:
    error = KeyboardInterrupt()

    def fail(_job: Job) -> None:
        raise error

    told = Told(fail)
    told.job.perform()

    assert told.reports == [Broken(7, error)]


def test_a_job_whose_time_is_over_is_given_up_and_its_result_dropped() -> None:
    told = Told(timeout=0)

    assert told.job.expire()
    told.job.perform()

    assert told.types == ["timeout"]
    assert told.job.cancelled.is_set()


def test_a_job_of_a_stopped_run_is_given_up_once() -> None:
    told = Told(timeout=60)
    assert not told.job.expire()
    told.stopped.set()

    assert told.job.expire()
    assert told.job.expire()
    assert told.types == ["interrupted"]


def test_a_job_that_was_given_up_does_not_get_to_commit() -> None:
    told = Told(timeout=0)
    told.job.expire()

    with pytest.raises(ToolError):
        told.job.begin_ending()


def test_a_job_that_is_about_to_commit_is_not_given_up() -> None:
    told = Told(lambda job: job.begin_ending(), timeout=0)
    told.job.begin_ending()
    told.stopped.set()

    assert not told.job.expire()
    assert not told.job.abandon()
    assert told.job.seconds_left == float("inf")
    told.job.perform()
    assert told.types == [None]


def test_a_job_that_could_not_commit_may_be_given_up_again() -> None:
    told = Told(timeout=60)
    told.job.begin_ending()

    assert told.job.begin_again()
    told.stopped.set()
    assert told.job.expire()
    assert not told.job.begin_again()


def test_an_end_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messagedb_agent.engine.jobs.ENDING_SECONDS", 0.0)
    told = Told(timeout=60)
    told.job.begin_ending()

    # What it did can't be called failed: it may be committed.
    assert told.job.expire()
    assert told.reports == []


def test_a_job_that_is_abandoned_reports_nothing() -> None:
    told = Told()

    assert told.job.abandon()
    told.job.perform()

    assert told.reports == []
    assert told.job.cancelled.is_set()


def test_of_an_end_and_a_timeout_at_once_exactly_one_is_told() -> None:
    for _ in range(200):
        together = threading.Barrier(2)

        def end(job: Job, together: threading.Barrier = together) -> str:
            together.wait(20)
            job.begin_ending()
            return "done"

        told = Told(end, timeout=0)
        thread = threading.Thread(target=told.job.perform)
        thread.start()
        together.wait(20)
        given_up = told.job.expire()
        thread.join(20)

        assert told.types == (["timeout"] if given_up else [None])
