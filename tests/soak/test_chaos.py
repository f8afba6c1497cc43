"""A few workers that are killed and frozen, and a few threads, which must not notice."""

from __future__ import annotations

from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from tests.postgres import NewDatabase
from tests.soak.chaos import Chaos, Plan, Report
from tests.soak.harness import prepare

PLAN = Plan(
    workers=3, threads=32, kill_every=2.5, stop=9.5, seed=5,
    concurrency=4, connections=1, model_seconds=0.3, spread=6.0, patience=90.0,
)  # fmt: skip


@pytest.fixture
def dsn(server: NewDatabase) -> str:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    prepare(dsn)
    return dsn


def report_of(plan: Plan, dsn: str, folder: Path) -> Report:
    with MessageDBClient(conninfo_to_dict(dsn), max_connections=3) as client:
        return Chaos(client, dsn, folder, plan).run()


def test_workers_that_are_told_to_leave_lose_nothing_and_repeat_nothing(
    dsn: str, tmp_path: Path
) -> None:
    polite = msgspec.structs.replace(PLAN, polite=True, stop=0.0, kill_every=1.5)
    report = report_of(polite, dsn, tmp_path)

    assert report.findings == []
    assert report.kills


@pytest.mark.slow
def test_threads_end_right_whatever_happens_to_their_workers(dsn: str, tmp_path: Path) -> None:
    report = report_of(PLAN, dsn, tmp_path)

    assert report.findings == []
    assert report.kills
