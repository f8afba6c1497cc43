"""Finding threads by what was said in them, or by what happened."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import msgspec

from messagedb_agent.errors import SchemaMissingError, StoreUnavailableError
from messagedb_agent.store.archive.reading import ARCHIVED_MESSAGES, OPENINGS
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.search.index import IS_COMPLETE, TELLING_TYPES, TEXT, catch_up, nobody
from messagedb_agent.store.shards import CATEGORIES

MOST_CANDIDATES = 5_000
"""What more events than this may show is soon met in the newest threads, and sought there."""

# Thread by thread from the newest on, so that it ends with the last one that is wanted. It
# reads what it passes: all of a category where too few threads fit. So does each shard.
_PASSED = f"""
    SELECT found.stream_name
    FROM unnest({CATEGORIES}) AS shard (category)
    CROSS JOIN LATERAL (
        SELECT opening.stream_name, opening.global_position
        FROM message_store.messages AS opening
        {{conditions}}
        WHERE opening.position = 0
          AND message_store.category(opening.stream_name) BETWEEN shard.category AND shard.category
        ORDER BY message_store.category(opening.stream_name) DESC, opening.global_position DESC
        LIMIT $2
    ) AS found
    ORDER BY found.global_position DESC LIMIT $2
"""  # noqa: S608 - made of constants

_PASSED_IN_ARCHIVE = f"""
    SELECT opening.stream_name
    FROM (SELECT opening.stream_name, opening.global_position {OPENINGS}) AS opening
    {{conditions}}
    ORDER BY opening.global_position DESC LIMIT $2
"""  # noqa: S608 - made of constants

_SHOWN = """
    CROSS JOIN LATERAL (
        SELECT FROM {messages} AS event
        WHERE event.stream_name = opening.stream_name AND {shown}
        LIMIT 1
    ) AS shown_{what}
"""

_COUNTED = """
    SELECT CASE WHEN {is_indexed} THEN (
        SELECT count(*) FROM (
            SELECT FROM messagedb_agent.search_entries WHERE {may_be} LIMIT $1
        ) AS candidate
    ) END
"""

# Each candidate is looked at, for numbers may agree where texts do not.
_AMONG = f"""
    WITH candidate AS MATERIALIZED (
        SELECT stream_name, position FROM messagedb_agent.search_entries WHERE {{may_be}}
    ), found AS MATERIALIZED (
        SELECT DISTINCT candidate.stream_name
        FROM candidate CROSS JOIN LATERAL (
            SELECT FROM message_store.messages AS event
            WHERE event.stream_name = candidate.stream_name
              AND event.position = candidate.position AND {{shown}}
            LIMIT 1
        ) AS told
        WHERE message_store.category(candidate.stream_name) = ANY ({CATEGORIES})
    )
    SELECT {IS_COMPLETE}, array_to_json(ARRAY(
        SELECT opening.stream_name
        FROM found CROSS JOIN LATERAL (
            SELECT stream_name, global_position FROM message_store.messages AS first
            WHERE first.stream_name = found.stream_name AND first.position = 0
            LIMIT 1
        ) AS opening
        {{conditions}}
        ORDER BY opening.global_position DESC LIMIT $2
    ))
"""  # noqa: S608 - made of constants


class _Wish(msgspec.Struct, frozen=True):
    """
    An event that a thread has to have, in SQL with `{value}` for its parameter.

    `shown` is true of such an event, and `may_be` of its entry in the index, perhaps of others'
    too; the parameter of the first is `pattern`, and that of the second `value`.
    """

    what: str
    shown: str
    pattern: str
    may_be: str
    value: str
    is_indexed: str


class _Query:
    """SQL that is put together, and its parameters."""

    def __init__(self, *parameters: str) -> None:
        self.parameters = list(parameters)

    def with_value(self, sql: str, value: str) -> str:
        """The SQL with a parameter of this value."""
        self.parameters.append(value)
        return sql.replace("{value}", f"${len(self.parameters)}")

    def conditions(self, wishes: Sequence[_Wish], messages: str) -> str:
        """What the events of an opening have to show."""
        return "".join(
            _SHOWN.format(
                messages=messages,
                shown=self.with_value(wish.shown, wish.pattern),
                what=wish.what,
            )
            for wish in wishes
        )


def search_threads(
    connection: QuickConnection,
    category: str,
    limit: int,
    *,
    text: str | None = None,
    types: Sequence[str] = (),
    archived: bool = False,
    on_many: Callable[[], object] = nobody,
) -> tuple[str, ...]:
    """
    The newest streams with an event of these types, and with the text, if they are given.

    The text may stand in a message, an answer or the title; upper and lower case are the
    same. `archived` is as in `newest_threads`. What few events show is found by an index, if
    there can be one; otherwise the cost grows with the threads passed on the way. `on_many` is
    called when many events have to be entered first.
    """
    wishes = [*_said(text), *_happened(types)]
    if not archived:
        # Who may not write can't enter anything; if more is wrong, passing will meet it.
        with suppress(StoreUnavailableError, SchemaMissingError):
            reached = catch_up(connection, category, on_many)
            names = _indexed(connection, category, limit, wishes, reached)
            if names is not None:
                return names
    query = _Query(category, str(limit))
    messages = ARCHIVED_MESSAGES if archived else "message_store.messages"
    sql = _PASSED_IN_ARCHIVE if archived else _PASSED
    sql = sql.format(conditions=query.conditions(wishes, messages))
    return tuple(str(row[0]) for row in connection.query(sql, query.parameters))


def _indexed(
    connection: QuickConnection, category: str, limit: int, wishes: Sequence[_Wish], reached: str
) -> tuple[str, ...] | None:
    """What the index tells of; None when it does not tell of all, or of too much."""
    wish = next((wish for wish in wishes if _are_few(connection, wish)), None)
    if wish is None:
        return None
    query = _Query(category, str(limit))
    others = [other for other in wishes if other is not wish]
    sql = _AMONG.format(
        may_be=query.with_value(wish.may_be, wish.value),
        shown=query.with_value(wish.shown, wish.pattern),
        reached=query.with_value("{value}", reached),
        conditions=query.conditions(others, "message_store.messages"),
    )
    ((is_complete, names),) = connection.query(sql, query.parameters)
    return tuple(json.loads(names or "[]")) if is_complete in ("t", "True") else None


def _said(text: str | None) -> Iterator[_Wish]:
    if text is not None:
        escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        yield _Wish(
            "text",
            TEXT.format(event="event.") + " ILIKE {value}",
            f"%{escaped}%",
            "terms @> messagedb_agent.search_trigrams({value})",
            text,
            # Two letters have no trigram, and are soon met.
            "cardinality(messagedb_agent.search_trigrams({value})) > 0",
        )


def _happened(types: Sequence[str]) -> Iterator[_Wish]:
    if types:
        array = f"{{{','.join(types)}}}"
        yield _Wish(
            "type",
            "event.type = ANY ({value}::text[])",
            array,
            "terms && messagedb_agent.search_types({value}::text[])",
            array,
            "{value}::text[] <@ '" + f"{{{','.join(TELLING_TYPES)}}}" + "'::text[]",
        )


def _are_few(connection: QuickConnection, wish: _Wish) -> bool:
    """Whether the index tells of all events that may be meant, and they are few."""
    query = _Query(str(MOST_CANDIDATES))
    sql = _COUNTED.format(
        is_indexed=query.with_value(wish.is_indexed, wish.value),
        may_be=query.with_value(wish.may_be, wish.value),
    )
    count = connection.query(sql, query.parameters)[0][0]
    return count is not None and int(count) < MOST_CANDIDATES
