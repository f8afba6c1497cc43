from __future__ import annotations

import time
from uuid import RFC_4122, UUID

from messagedb_agent.store.base import new_event_id


def test_the_id_of_an_event_is_a_uuid_that_begins_with_the_time() -> None:
    before = time.time_ns() // 1_000_000
    made = UUID(new_event_id())
    after = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, RFC_4122)
    assert before <= made.int >> 80 <= after


def test_ids_of_one_moment_differ() -> None:
    assert len({new_event_id() for _ in range(1000)}) == 1000
