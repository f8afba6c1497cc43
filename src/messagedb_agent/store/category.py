"""Reading one category, which is what consumers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

import msgspec
import psycopg

from messagedb_agent.errors import UsageError
from messagedb_agent.events.base import RecordedEvent
from messagedb_agent.events.codec import EventRow, decode
from messagedb_agent.store.base import DEFAULT_BATCH_SIZE
from messagedb_agent.store.faults import translate
from messagedb_agent.store.shards import CATEGORIES

if TYPE_CHECKING:
    from messagedb_agent.store.client import MessageDBClient

FIRST_GLOBAL_POSITION = 1

_READ: LiteralString = """
    SELECT id, stream_name, type, position, global_position, data, metadata, time
    FROM message_store.get_category_messages($1, $2, $3, $4, $5, $6, $7)
"""

_READ_CORRELATED: LiteralString = f"""
    SELECT page.id, page.stream_name, page.type, page.position, page.global_position,
           page.data, page.metadata, page.time
    FROM unnest({CATEGORIES}) AS correlated (category)
    CROSS JOIN LATERAL message_store.get_category_messages(
        $2, $3, $4, correlated.category, $5, $6, $7) AS page
    ORDER BY page.global_position LIMIT $4
"""  # noqa: S608 - made of constants

# The sum is what the index of the category holds; see docs/adr/0002.
_LAST: LiteralString = """
    SELECT global_position FROM message_store.messages
    WHERE message_store.category(stream_name) = $1
    ORDER BY global_position + 0 DESC LIMIT 1
"""


class CategoryQuery(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which events of a category are asked for, in Message DB's own terms.

    Raises `UsageError` for what the server would refuse.
    """

    category: str
    correlation: str | None = None
    consumer_group_member: int | None = None
    consumer_group_size: int | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        _check_category(self.category, "a category")
        if self.correlation is not None:
            _check_category(self.correlation, "a correlation")
        _check_group(self.consumer_group_member, self.consumer_group_size)


def get_category_messages(
    source: psycopg.Connection[Any] | MessageDBClient,
    category: str,
    *,
    position: int = FIRST_GLOBAL_POSITION,
    batch_size: int = DEFAULT_BATCH_SIZE,
    correlation: str | None = None,
    consumer_group_member: int | None = None,
    consumer_group_size: int | None = None,
    condition: str | None = None,
) -> list[RecordedEvent]:
    """
    The next events of all streams of a category, by Message DB's function of that name.

    `position` is the global position of the first event that may come back, and at most
    `batch_size` do (-1: all). `correlation` keeps the events whose metadata names a stream
    of that category as `correlationStreamName`; of a consumer group each member (counted
    from 0) gets the streams that are its own. `condition` is SQL, for servers that allow it.
    """
    query = CategoryQuery(
        category=category,
        correlation=correlation,
        consumer_group_member=consumer_group_member,
        consumer_group_size=consumer_group_size,
        condition=condition,
    )
    if position < 0:
        raise UsageError(f"a position counts from {FIRST_GLOBAL_POSITION}, {position} is none")
    if batch_size != -1:
        check_batch_size(batch_size)
    if isinstance(source, psycopg.Connection):
        try:
            rows = read_category_page(source, query, position, batch_size)
        except psycopg.Error as error:
            raise translate(error) from error
    else:
        rows = source.query(lambda own: read_category_page(own, query, position, batch_size))
    return [decode(row) for row in rows]


def read_category_page(
    connection: psycopg.Connection[Any], query: CategoryQuery, position: int, batch_size: int
) -> list[EventRow]:
    """Up to `batch_size` rows from a global position on. Raises psycopg errors as they come."""
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(
            _READ,
            (
                query.category,
                position,
                batch_size,
                query.correlation,
                query.consumer_group_member,
                query.consumer_group_size,
                query.condition,
            ),
            prepare=True,
        )
        return [EventRow._make(row) for row in cursor.fetchall()]


def read_correlated_page(
    connection: psycopg.Connection[Any], query: CategoryQuery, position: int, batch_size: int
) -> list[EventRow]:
    """
    The same, for a correlation that stands for its shards as well.

    Of shards in which no event is left nothing is found. The connection is in no transaction.
    """
    with connection.transaction(), psycopg.RawCursor(connection) as cursor:
        # Each shard is asked for by itself. Did they see different moments, an event that comes
        # in between would be missing before one that is later.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute(
            _READ_CORRELATED,
            (
                query.correlation,
                query.category,
                position,
                batch_size,
                query.consumer_group_member,
                query.consumer_group_size,
                query.condition,
            ),
            prepare=True,
        )
        return [EventRow._make(row) for row in cursor.fetchall()]


def last_global_position(connection: psycopg.Connection[Any], category: str) -> int:
    """The global position of the last event of a category; 0 when there is none."""
    with psycopg.RawCursor(connection) as cursor:
        row = cursor.execute(_LAST, (category,)).fetchone()
    return 0 if row is None else int(row[0])


def check_batch_size(batch_size: int) -> None:
    """Raise `UsageError` for a batch in which nothing fits."""
    if batch_size < 1:
        raise UsageError(f"a batch holds at least one event, {batch_size} is too few")


def _check_category(name: str, what: str) -> None:
    if not name or "-" in name or "\0" in name:
        raise UsageError(f"{name[:80]!r} is not {what}: a category has a name without '-'")


def _check_group(member: int | None, size: int | None) -> None:
    if (member is None) != (size is None):
        raise UsageError("a consumer group needs both its member and its size")
    if member is None or size is None:
        return
    # The server divides by a smallint.
    if not 0 <= member < size <= 32767:
        raise UsageError(
            f"member {member} of {size} is not possible: members count from 0 to size - 1"
        )
