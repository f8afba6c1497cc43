"""Our implementation beside the genuine one: the same calls, the same outcomes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import psycopg
import pytest

from tests.store.schema.calls import calls
from tests.store.schema.probing import first_difference, prepare, record

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.mark.parametrize("seed", range(8))
def test_random_calls_end_alike(seed: int, ours: Connection, theirs: Connection) -> None:
    made = calls(seed, 1000)
    for connection in (ours, theirs):
        prepare(connection)

    one, other = record(ours, made), record(theirs, made)
    assert first_difference(made, one, other) is None
    print(Counter(o.get("message","ok")[:40] for o in one))
