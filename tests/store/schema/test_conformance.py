"""Our implementation beside the genuine one: one interface, and one outcome for each call."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from messagedb_agent.store.schema.installer import sql_files
from tests.store.schema.calls import calls
from tests.store.schema.interface import Fact, describe
from tests.store.schema.mutations import MUTATIONS, Mutation
from tests.store.schema.probing import Outcome, first_difference, prepare, record, rolled_back

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

FEW = [call for seed in (1, 2) for call in calls(seed, 350)]
"""Enough to notice every mutation, few enough to be made for each of them."""


@pytest.fixture(scope="session")
def genuine_interface(genuine_dsn: str) -> set[Fact]:
    with rolled_back(genuine_dsn) as connection:
        return describe(connection)


@pytest.fixture(scope="session")
def genuine_outcomes(genuine_dsn: str) -> list[Outcome]:
    with rolled_back(genuine_dsn) as connection:
        prepare(connection)
        return record(connection, FEW)


def test_the_catalogue_describes_the_same_interface(
    ours: Connection, genuine_interface: set[Fact]
) -> None:
    assert describe(ours) == genuine_interface


@pytest.mark.parametrize("seed", range(100, 106))
def test_random_calls_end_alike(seed: int, ours: Connection, theirs: Connection) -> None:
    made = calls(seed, 800)
    for connection in (ours, theirs):
        prepare(connection)

    assert first_difference(made, record(ours, made), record(theirs, made)) is None


@pytest.mark.parametrize("mutation", MUTATIONS, ids=str)
def test_a_mutation_of_our_sql_is_noticed(
    mutation: Mutation,
    ours: Connection,
    genuine_interface: set[Fact],
    genuine_outcomes: list[Outcome],
) -> None:
    ours.execute("DROP SCHEMA message_store CASCADE")
    for name, content in sql_files():
        ours.execute(mutation.applied_to(name, content))
    prepare(ours)

    same_interface = describe(ours) == genuine_interface

    assert not same_interface or first_difference(FEW, record(ours, FEW), genuine_outcomes)


def test_none_of_the_genuine_text_is_ours(genuine_sql: Path) -> None:
    """Ours is an implementation of the interface, not a copy: no function has the same body."""
    theirs = {
        " ".join(file.read_text().split("$$")[1].split())
        for file in (genuine_sql / "functions").glob("*.sql")
    }
    bodies = [
        " ".join(body.split())
        for _, content in sql_files()
        for body in content.decode().split("$$")[1::2]
    ]

    assert theirs.isdisjoint(bodies)
