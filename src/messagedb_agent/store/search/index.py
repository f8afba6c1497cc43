"""
An index of what was said and of a few telling events, brought up to date by whoever searches.

Appends know nothing of it, so they cost what they cost without, and other programs' events are in
it as well. It holds numbers only; what is found by them is looked at before it is believed.
"""

from __future__ import annotations

from importlib import resources

from messagedb_agent.errors import SchemaMissingError, StoreUnavailableError
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
_MARK = "messagedb-agent search, revision 1"

_FOUND = f"""
    SELECT coalesce(
               obj_description(to_regclass('messagedb_agent.search_entries'), 'pg_class')
               = '{_MARK}', false)::text,
           (to_regclass('messagedb_agent.search_entries_terms') IS NOT NULL)::text
"""

_CATCH_UP = f"""
    SELECT coalesce(max(messagedb_agent.search_catch_up(category, $2::bigint)), 0)
    FROM unnest({CATEGORIES}) AS shard (category)
"""  # noqa: S608 - made of constants

# Made once all is entered: to fill it entry by entry would take twice as long.
_CREATE_INDEX = """
    CREATE INDEX search_entries_terms ON messagedb_agent.search_entries USING gin (terms)
"""

_EMPTY = "TRUNCATE messagedb_agent.search_entries, messagedb_agent.search_progress"
_DROP_INDEX = "DROP INDEX IF EXISTS messagedb_agent.search_entries_terms"


def is_up_to_date(connection: QuickConnection, category: str) -> bool:
    """
    Enter what has come in a category since somebody searched there last.

    False where there can be no index, since this user may not write to the database. The first
    time takes about a minute for a million events; who is interrupted goes on from there.
    """
    try:
        _catch_up(connection, category)
    except (StoreUnavailableError, SchemaMissingError):
        # If more is wrong, the search itself will meet it.
        return False
    return True


def rebuild(connection: QuickConnection, category: str) -> None:
    """
    Begin anew, with this category; others follow when somebody searches them.

    Raises `StoreUnavailableError` when the database refuses.
    """
    _install(connection)
    connection.query(_DROP_INDEX)
    connection.query(_EMPTY)
    _catch_up(connection, category)


def _catch_up(connection: QuickConnection, category: str) -> None:
    (is_there, has_index), *_ = connection.query(_FOUND)
    if is_there != "true":
        _install(connection)
        has_index = "false"
    while connection.query(_CATCH_UP, (category, str(PAGE_EVENTS)))[0][0] == str(PAGE_EVENTS):
        continue
    if has_index != "true":
        connection.query(_CREATE_INDEX)


def _install(connection: QuickConnection) -> None:
    script = resources.files(__package__).joinpath("index.sql").read_text(encoding="utf-8")
    for name, value in (
        ("mark", _MARK),
        ("types", _array(TELLING_TYPES)),
        ("entered", _array((*TELLING_TYPES, *_SAYING))),
        ("text", TEXT.format(event="_")),
    ):
        script = script.replace(f"{{{name}}}", value)
    connection.query(script)


def _array(names: tuple[str, ...]) -> str:
    return f"{{{','.join(names)}}}"
