"""What a subscriber reads: a category, or one stream."""

from __future__ import annotations

from typing import Any, Protocol

import psycopg

from messagedb_agent.errors import UsageError
from messagedb_agent.events.codec import EventRow
from messagedb_agent.store.category import (
    FIRST_GLOBAL_POSITION,
    CategoryQuery,
    last_global_position,
    read_category_page,
    read_correlated_page,
)
from messagedb_agent.store.operations import read_page, stream_version
from messagedb_agent.store.shards import can_have_shards


class Source(Protocol):
    """Events in an order, each with its place in it."""

    @property
    def name(self) -> str:
        """The category or stream."""
        ...

    @property
    def first(self) -> int:
        """The place of the very first event."""
        ...

    def place(self, row: EventRow) -> int:
        """Where an event stands."""
        ...

    def last(self, connection: psycopg.Connection[Any]) -> int:
        """The place of the last event there is; one before `first` when there is none."""
        ...

    def horizon(self, connection: psycopg.Connection[Any]) -> int | None:
        """
        A place that the next read looks up to, if it comes to its end; None if its rows say that.

        A restricted source may have nothing to give for long stretches.
        """
        ...

    def read(
        self, connection: psycopg.Connection[Any], place: int, batch_size: int
    ) -> list[EventRow]:
        """The events from a place on."""
        ...


class CategorySource:
    """All streams of a category, by global position."""

    first = FIRST_GLOBAL_POSITION

    def __init__(self, query: CategoryQuery) -> None:
        self._query = query
        self.name = query.category
        restrictions = query.correlation, query.consumer_group_size, query.condition
        self._is_restricted = restrictions != (None, None, None)
        is_sharded = can_have_shards(query.correlation or "")
        self._read = read_correlated_page if is_sharded else read_category_page

    def place(self, row: EventRow) -> int:
        """The global position."""
        return row.global_position

    def last(self, connection: psycopg.Connection[Any]) -> int:
        """The last global position in the category, whosever event it is."""
        return last_global_position(connection, self.name)

    def horizon(self, connection: psycopg.Connection[Any]) -> int | None:
        """
        The last global position there is now, whosever event it is.

        The category's lock makes events visible in the order of their positions, so none that
        comes later has a smaller one.
        """
        return self.last(connection) if self._is_restricted else None

    def read(
        self, connection: psycopg.Connection[Any], place: int, batch_size: int
    ) -> list[EventRow]:
        """The next events, without those of other members of the group."""
        return self._read(connection, self._query, place, batch_size)


class StreamSource:
    """One stream, by its own positions."""

    first = 0

    def __init__(self, stream_name: str) -> None:
        self.name = stream_name

    def place(self, row: EventRow) -> int:
        """The position."""
        return row.position

    def last(self, connection: psycopg.Connection[Any]) -> int:
        """The version of the stream."""
        return stream_version(connection, self.name)

    def horizon(self, connection: psycopg.Connection[Any]) -> int | None:  # noqa: ARG002 - not needed here
        """None: each event of the stream is given."""
        return None

    def read(
        self, connection: psycopg.Connection[Any], place: int, batch_size: int
    ) -> list[EventRow]:
        """The next events of the stream."""
        return read_page(connection, self.name, place, batch_size)


def source_for(
    name: str,
    correlation: str | None,
    member: int | None,
    group_size: int | None,
    condition: str | None,
) -> Source:
    """The source with this name. Raises `UsageError` for restrictions that it can not have."""
    if "-" not in name:
        return CategorySource(
            CategoryQuery(
                category=name,
                correlation=correlation,
                consumer_group_member=member,
                consumer_group_size=group_size,
                condition=condition,
            )
        )
    if (correlation, member, group_size, condition) != (None, None, None, None):
        raise UsageError(
            f"{name[:80]} is one stream; correlation, group and condition are for categories"
        )
    return StreamSource(name)
