"""
An index of what was said and of a few telling events, brought up to date by whoever searches.

Appends know nothing of it, so they cost what they cost without, and other programs' events are in
it as well. What is found by it is looked at before it is believed.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

from messagedb_agent.store.quick import QuickConnection
from messagedb_agent.store.shards import CATEGORIES

TEXT = """
    CASE {event}type
        WHEN 'UserMessageAdded' THEN {event}data ->> 'message'
        WHEN 'LLMResponseReceived' THEN {event}data ->> 'response_text'
        WHEN 'ThreadRenamed' THEN {event}data ->> 'title'
    END
"""
"""What was said in an event, in SQL; NULL where it is not of those that say something."""

TELLING_TYPES = (
    "LLMCallFailed",
    "LimitReached",
    "SessionCompleted",
    "ToolApprovalRequested",
    "TurnInterrupted",
)
"""The types by which threads are found: no thread has a certain status without one."""

PAGE_EVENTS = 20_000
"""How many events are entered in one transaction, which takes about a second."""

_SAYING = ("LLMResponseReceived", "ThreadRenamed", "UserMessageAdded")
_MARK = "messagedb-agent search, revision 3"
_MARKED = "2"  # tables

_FOUND = f"""
    SELECT count(*) FILTER (WHERE obj_description(c.oid, 'pg_class') = '{_MARK}'),
           count(*) FILTER (WHERE relname = 'search_entries_terms')
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE nspname = 'messagedb_agent'
"""  # noqa: S608 - made of constants

_CATCH_UP = f"""
    SELECT max(entered), sum(reached)
    FROM unnest({CATEGORIES}) AS shard (category)
    CROSS JOIN LATERAL messagedb_agent.search_catch_up(category, $2::bigint)
"""  # noqa: S608 - made of constants

IS_COMPLETE = f"""
    (SELECT coalesce(sum(global_position), 0) FROM messagedb_agent.search_progress
     WHERE category = ANY ({CATEGORIES})) >= {{reached}}::numeric
"""  # noqa: S608 - made of constants
"""Whether all that `catch_up` reached is still entered, in SQL: somebody may begin anew."""

# Made once all is entered: to fill it entry by entry would take twice as long.
_CREATE_INDEX = """
    CREATE INDEX search_entries_terms ON messagedb_agent.search_entries USING gin (terms)
"""

_DISOWN = "COMMENT ON TABLE messagedb_agent.search_progress IS NULL"


def nobody() -> None:
    """The `on_many` of those who need not be told."""


def catch_up(
    connection: QuickConnection, category: str, on_many: Callable[[], object] = nobody
) -> str:
    """
    Enter what has come in a category since somebody searched there last; how far that reached.

    The first time takes about half a minute for a million events; who is interrupted goes on from
    there. `on_many` is called once there is more than a page of them. Raises
    `StoreUnavailableError` for a user who may not write to the database.
    """
    ((marked, has_index),) = connection.query(_FOUND)
    is_there = marked == _MARKED
    if not is_there:
        _install(connection)
    full = entered = str(PAGE_EVENTS)
    reached = ""
    while entered == full:
        entered, reached = map(str, connection.query(_CATCH_UP, (category, full))[0])
        if entered == full:
            on_many()
            on_many = nobody
    if not is_there or has_index == "0":
        connection.query(_CREATE_INDEX)
    return reached


def rebuild(connection: QuickConnection, category: str) -> None:
    """
    Begin anew, with this category; others follow when somebody searches them.

    Raises `StoreUnavailableError` when the database refuses.
    """
    ((marked, _),) = connection.query(_FOUND)
    if marked == _MARKED:
        connection.query(_DISOWN)
    catch_up(connection, category)


def _install(connection: QuickConnection) -> None:
    script = resources.files(__package__).joinpath("index.sql").read_text(encoding="utf-8")
    for name, value in (
        ("mark", _MARK),
        ("marked", _MARKED),
        ("types", _array(TELLING_TYPES)),
        ("entered", _array((*TELLING_TYPES, *_SAYING))),
        # There the columns are parameters, `_type` and `_data`.
        ("text", TEXT.format(event="_")),
    ):
        script = script.replace(f"{{{name}}}", value)
    connection.query(script)


def _array(names: tuple[str, ...]) -> str:
    return f"{{{','.join(names)}}}"
