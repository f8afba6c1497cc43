"""
Shards: the categories over which the threads of one category may be spread.

`agent+00:v0`, `agent+01:v0` and so on are shards of `agent:v0`. Each has Message DB's lock for
itself, and with it commits of its own. How many there are only matters when a thread begins;
whoever reads asks the database which exist. See docs/adr/0014.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, LiteralString

from messagedb_agent.errors import UsageError

if TYPE_CHECKING:
    from messagedb_agent.store.quick import QuickConnection

MAX_SHARDS = 100

_SHARD = re.compile(r"^([^-]*)\+[0-9][0-9](:[^:-]*)(?=-|$)")

# One step through the index of categories for each shard. A shard's number stands between
# digits of the same width, so any collation has all of them between the first and the last.
CATEGORIES: LiteralString = r"""
    ARRAY(
        WITH RECURSIVE shard (category) AS (
            SELECT (
                SELECT message_store.category(stream_name) FROM message_store.messages
                WHERE message_store.category(stream_name)
                      BETWEEN regexp_replace($1, ':([^:]*)$', '+00:\1')
                          AND regexp_replace($1, ':([^:]*)$', '+99:\1')
                ORDER BY message_store.category(stream_name) LIMIT 1)
            UNION ALL
            SELECT (
                SELECT message_store.category(stream_name) FROM message_store.messages
                WHERE message_store.category(stream_name) > shard.category
                  AND message_store.category(stream_name)
                      <= regexp_replace($1, ':([^:]*)$', '+99:\1')
                ORDER BY message_store.category(stream_name) LIMIT 1)
            FROM shard WHERE shard.category IS NOT NULL
        )
        SELECT $1::varchar
        UNION
        SELECT category FROM shard
        WHERE regexp_replace(category, '\+[0-9][0-9]:([^:]*)$', ':\1') = $1
    )
"""
"""SQL for the category in `$1` and those of its shards that have events, as an array."""

_CATEGORIES = f"SELECT unnest({CATEGORIES})"


_DOUBLED: LiteralString = """
    SELECT substr(stream_name, length(message_store.category(stream_name)) + 2) AS thread_id
    FROM message_store.messages
    WHERE position = 0 AND message_store.category(stream_name)
        = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
    GROUP BY thread_id HAVING count(*) > 1 ORDER BY thread_id
"""


def shard_of(thread_id: str, shards: int) -> int:
    """
    The shard, from 0, in which a thread begins; always and everywhere the same one.

    Raises `UsageError` for a number of shards that can't be.
    """
    if not 1 <= shards <= MAX_SHARDS:
        raise UsageError(f"{shards} shards are not possible: 1 to {MAX_SHARDS} are")
    from hashlib import sha256  # noqa: PLC0415 - most programs have one shard and need no OpenSSL

    return int.from_bytes(sha256(thread_id.encode()).digest()[:8], "big") % shards


def whole(name: str) -> str:
    """A category or stream name without the number of a shard."""
    return _SHARD.sub(r"\1\2", name, count=1) if "+" in name else name


def can_have_shards(name: str) -> bool:
    """Whether this is the category of an agent, which has a version; no other has shards."""
    return ":" in name and "-" not in name


def categories(connection: QuickConnection, category: str) -> tuple[str, ...]:
    """A category, and then those of its shards that have events."""
    found = {str(row[0]) for row in connection.query(_CATEGORIES, (category,))}
    return (category, *sorted(found - {category}))


def doubled(connection: QuickConnection, found: Sequence[str]) -> tuple[str, ...]:
    """The ids under which threads began in several of these categories; reads all of them."""
    names = json.dumps(list(found))
    return tuple(str(row[0]) for row in connection.query(_DOUBLED, (names,)))
