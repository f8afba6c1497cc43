"""Finding threads by what was said in them, or by what happened."""

from __future__ import annotations

from collections.abc import Sequence

from messagedb_agent.store.archive.reading import ARCHIVED_MESSAGES, OPENINGS
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.shards import CATEGORIES

# Thread by thread from the newest on, so that it ends with the last one that is wanted. It
# reads what it passes: all of a category where too few threads fit. So does each shard.
_FOUND = f"""
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

_FOUND_ARCHIVED = f"""
    SELECT opening.stream_name
    FROM (SELECT opening.stream_name, opening.global_position {OPENINGS}) AS opening
    {{conditions}}
    ORDER BY opening.global_position DESC LIMIT $2
"""  # noqa: S608 - made of constants

_SAID = """
    CROSS JOIN LATERAL (
        SELECT FROM {messages} AS said
        WHERE said.stream_name = opening.stream_name
          AND CASE said.type
                  WHEN 'UserMessageAdded' THEN said.data ->> 'message'
                  WHEN 'LLMResponseReceived' THEN said.data ->> 'response_text'
                  WHEN 'ThreadRenamed' THEN said.data ->> 'title'
              END ILIKE $3
        LIMIT 1
    ) AS told
"""

_HAPPENED = """
    CROSS JOIN LATERAL (
        SELECT FROM {messages} AS said
        WHERE said.stream_name = opening.stream_name
          AND position(',' || said.type || ',' IN ${place}) > 0
        LIMIT 1
    ) AS happened
"""


def search_threads(
    connection: QuickConnection,
    category: str,
    limit: int,
    *,
    text: str | None = None,
    types: Sequence[str] = (),
    archived: bool = False,
) -> tuple[str, ...]:
    """
    The newest streams with an event of these types, and with the text, if they are given.

    The text may stand in a message, an answer or the title; upper and lower case are the
    same. The cost grows with the threads passed on the way. `archived` is as in `newest_threads`.
    """
    conditions, parameters = "", [category, str(limit)]
    messages = ARCHIVED_MESSAGES if archived else "message_store.messages"
    if text is not None:
        escaped = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
        conditions += _SAID.format(messages=messages)
        parameters.append(f"%{escaped}%")
    if types:
        parameters.append(f",{','.join(types)},")
        conditions += _HAPPENED.format(messages=messages, place=len(parameters))
    query = _FOUND_ARCHIVED if archived else _FOUND
    rows = connection.query(query.format(conditions=conditions), parameters)
    return tuple(str(row[0]) for row in rows)
