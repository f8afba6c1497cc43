"""What a thread has to have, as SQL about its events and about their entries in the index."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from messagedb_agent.store.search.index import TELLING_TYPES, TEXT

_HAS = """
    CROSS JOIN LATERAL (
        SELECT FROM {messages} AS event
        WHERE event.stream_name = opening.stream_name AND {shown}
        LIMIT 1
    ) AS has_{place}
"""


class Clue(msgspec.Struct, frozen=True):
    """What the index tells: the `terms` that an event has at least, in SQL with `{value}`."""

    terms: str
    value: str


class Wish(msgspec.Struct, frozen=True):
    """An `event` that a thread has to have, in SQL with `{value}` for its parameter."""

    shown: str
    value: str
    clue: Clue | None = None


class Query:
    """SQL that is put together, and its parameters."""

    def __init__(self, *parameters: str) -> None:
        self.parameters = list(parameters)

    def with_value(self, sql: str, value: str) -> str:
        """The SQL with a parameter of this value."""
        self.parameters.append(value)
        return sql.replace("{value}", f"${len(self.parameters)}")

    def shown(self, wish: Wish) -> str:
        """Whether an `event` is the one."""
        return self.with_value(wish.shown, wish.value)

    def joins(self, wishes: Iterable[Wish], messages: str) -> str:
        """What is left of each `opening` are those whose threads have it all."""
        return "".join(
            _HAS.format(messages=messages, shown=self.shown(wish), place=place)
            for place, wish in enumerate(wishes)
        )


def wishes_for(text: str | None, types: Sequence[str], since: datetime | None) -> list[Wish]:
    """An event with this text, one of these types, one since then, as far as they are given."""
    wishes: list[Wish] = []
    if text is not None:
        wishes.append(_said(text))
    if types:
        wishes.append(_happened(types))
    if since is not None:
        moment = since.astimezone(UTC).replace(tzinfo=None).isoformat()
        wishes.append(Wish("event.time >= {value}::timestamp", moment))
    return wishes


def _said(text: str) -> Wish:
    escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    clue = Clue("messagedb_agent.search_text({value})", text) if text else None
    return Wish(TEXT.format(event="event.") + " ILIKE {value}", f"%{escaped}%", clue)


def _happened(types: Sequence[str]) -> Wish:
    array = f"{{{','.join(types)}}}"
    clue = Clue("messagedb_agent.search_types({value}::text[])", array)
    is_telling = set(types) <= set(TELLING_TYPES)
    return Wish("event.type = ANY ({value}::text[])", array, clue if is_telling else None)
