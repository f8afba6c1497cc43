"""Finding threads by what was said in them."""

from __future__ import annotations

from messagedb_agent.store.quick import QuickConnection

# Thread by thread from the newest on, so that it ends with the last one that is wanted. It
# reads what it passes: all of a category where too few threads fit.
_SAID = """
    SELECT opening.stream_name
    FROM message_store.messages AS opening
    CROSS JOIN LATERAL (
        SELECT FROM message_store.messages AS said
        WHERE said.stream_name = opening.stream_name
          AND CASE said.type
                  WHEN 'UserMessageAdded' THEN said.data ->> 'message'
                  WHEN 'LLMResponseReceived' THEN said.data ->> 'response_text'
                  WHEN 'ThreadRenamed' THEN said.data ->> 'title'
              END ILIKE $2
        LIMIT 1
    ) AS found
    WHERE opening.position = 0 AND message_store.category(opening.stream_name) = $1
    ORDER BY opening.global_position DESC LIMIT $3
"""


def search_threads(
    connection: QuickConnection, category: str, text: str, limit: int
) -> tuple[str, ...]:
    """
    The streams where a message, an answer or the title contains the text, newest first.

    Upper and lower case are the same. The cost grows with the threads passed on the way.
    """
    pattern = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    rows = connection.query(_SAID, (category, f"%{pattern}%", str(limit)))
    return tuple(str(row[0]) for row in rows)
