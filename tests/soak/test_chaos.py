"""A few workers that are killed and frozen, and a few threads, which must not notice."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from tests.postgres import NewDatabase
from tests.soak.chaos import RESCUED_WITHIN_SECONDS, Chaos, Plan
from tests.soak.harness import prepare


@pytest.mark.slow
def test_threads_end_right_whatever_happens_to_their_workers(
    server: NewDatabase, tmp_path: Path
) -> None:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    prepare(dsn)
    plan = Plan(
        workers=3, threads=32, kill_every=2.5, stop=9.5, seed=5,
        concurrency=4, connections=1, model_seconds=0.3, spread=6.0, patience=90.0,
    )  # fmt: skip
    with MessageDBClient(conninfo_to_dict(dsn), max_connections=3) as client:
        report = Chaos(client, dsn, tmp_path, plan).run()

    assert report.findings == []
    assert report.kills > 3
    assert max(report.rescues)[0] < RESCUED_WITHIN_SECONDS
