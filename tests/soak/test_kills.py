"""Processes that are killed, stopped and raced: nothing is lost, and nothing happens twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from tests.postgres import NewDatabase
from tests.soak.harness import Harness, nursery_for, prepare

ROUNDS = 15
KILLS_PER_ROUND = 3


@pytest.fixture(scope="module")
def harness(server: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    dsn = server()
    with psycopg.connect(dsn) as connection:
        schema.install(connection)
    prepare(dsn)
    folder: Path = tmp_path_factory.mktemp("soak")
    with nursery_for(dsn, folder) as copies, MessageDBClient(conninfo_to_dict(dsn)) as client:
        yield Harness(copies, client, dsn, seed=7)


@pytest.fixture(autouse=True)
def _of_this_test(harness: Harness) -> None:
    harness.findings.clear()


def test_an_undisturbed_run_leaves_nothing_to_complain_about(harness: Harness) -> None:
    harness.finish("soak:v0-undisturbed", "undisturbed")

    assert harness.findings == []


def test_a_thread_survives_drivers_that_are_killed_at_random_instants(harness: Harness) -> None:
    before = harness.interrupted
    for _ in range(ROUNDS):
        harness.killed(KILLS_PER_ROUND)

    assert harness.findings == []
    assert harness.interrupted - before > ROUNDS


def test_a_thread_survives_eight_drivers_of_which_some_are_killed(harness: Harness) -> None:
    harness.raced(2)

    assert harness.findings == []


def test_a_thread_survives_a_driver_that_was_taken_for_dead(harness: Harness) -> None:
    for _ in range(3):
        harness.woken()

    assert harness.findings == []


def test_messages_that_come_while_drivers_are_killed_are_all_answered(harness: Harness) -> None:
    harness.talked(3)

    assert harness.findings == []
