"""What threads are called: the name somebody gave one, or else how it, or its origin, began."""

from __future__ import annotations

import json
from collections.abc import Sequence

from messagedb_agent.events.json_text import unescape
from messagedb_agent.store.archive.reading import ALL_MESSAGES, MESSAGES, has_archive
from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.shards import CATEGORIES
from messagedb_agent.store.summaries.keeping import NOTHING, keep_up
from messagedb_agent.store.summaries.parts import LONGEST_TITLE, NAMED, SO_FAR, STREAMS

# An archived fork may be of a thread that is not archived.
_MESSAGES = {False: MESSAGES, True: ALL_MESSAGES}

# The first message stands at the beginning of its stream.
_TITLES = f"""
    SELECT wanted.stream_name,
           coalesce(
               named.name,
               (SELECT left(data ->> 'message', $2) FROM {{messages}} AS said
                WHERE said.stream_name = wanted.stream_name AND said.position < 20
                  AND said.type = 'UserMessageAdded'
                ORDER BY said.position LIMIT 1),
               (SELECT
                   (SELECT left(said.data ->> 'message', $2) FROM {{messages}} AS said
                    WHERE said.stream_name = fork.data ->> 'origin_stream_name'
                      AND said.position < 20 AND said.type = 'UserMessageAdded'
                    ORDER BY said.position LIMIT 1)
                FROM {{messages}} AS fork
                WHERE fork.stream_name = wanted.stream_name AND fork.position = 0
                  AND fork.type = 'ThreadForked'))
    FROM ({STREAMS}) AS wanted {SO_FAR} {NAMED}
"""  # noqa: S608 - made of constants

_ORIGINS = """
    SELECT stream_name, data ->> 'origin_stream_name'
    FROM {messages}
    WHERE stream_name = ANY (ARRAY(SELECT json_array_elements_text($1::json)))
      AND position = 0 AND type = 'ThreadForked'
"""

_NEWEST_POSITION = f"""
    SELECT global_position FROM message_store.messages
    WHERE message_store.category(stream_name) = ANY ({CATEGORIES})
    ORDER BY global_position DESC LIMIT 1
"""  # noqa: S608 - made of constants


def thread_titles(
    connection: QuickConnection, stream_names: Sequence[str], *, archived: bool = False
) -> dict[str, str]:
    """
    The title of each of these threads that has one, by stream name.

    A fork in which nothing was said yet is called what its origin is called. `archived` says
    whether the threads are; whether origins are is found out.
    """
    titles = _own_titles(connection, stream_names, archived=archived)
    untitled = json.dumps([name for name in stream_names if name not in titles])
    query = _ORIGINS.format(messages=_MESSAGES[archived])
    rows = connection.query(query, (untitled,)) if len(titles) < len(stream_names) else []
    origins = {str(fork): str(origin) for fork, origin in rows}
    wanted = sorted(set(origins.values()))
    shared = _own_titles(connection, wanted, archived=False) if wanted else {}
    missing = [name for name in wanted if name not in shared]
    if missing and has_archive(connection):
        shared |= _own_titles(connection, missing, archived=True)
    named = {fork: shared[origin] for fork, origin in origins.items() if origin in shared}
    return {**titles, **named}


def _own_titles(
    connection: QuickConnection, stream_names: Sequence[str], *, archived: bool
) -> dict[str, str]:
    names = json.dumps(list(stream_names))
    query = _TITLES.format(
        kept=NOTHING if archived else keep_up(connection, STREAMS, (names,)),
        messages=_MESSAGES[archived],
    )
    rows = connection.query(query, (names, str(LONGEST_TITLE)))
    return {str(name): unescape(title) for name, title in rows if title}


def newest_position(connection: QuickConnection, category: str) -> int:
    """The global position of a category's last event, -1 when it has none; tells of changes."""
    rows = connection.query(_NEWEST_POSITION, (category,))
    return int(rows[0][0] or -1) if rows else -1
