"""What time it is, anywhere."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from messagedb_agent.errors import ToolError
from messagedb_agent.tools.define import tool

_UTC_NAMES = frozenset({"UTC", "ETC/UTC", "Z"})


@tool(permission="allow", recovery="retry")
def get_current_time(timezone: str | None = None) -> str:
    """
    Return the current date and time in ISO-8601 format with its UTC offset.

    Args:
        timezone: IANA name of the time zone, such as "Europe/Paris"; UTC when left out.
    """
    return time_in(timezone, datetime.now(UTC))


def time_in(timezone: str | None, now: datetime) -> str:
    """
    The instant `now` in the named time zone, to the second.

    Raises `ToolError` when there is no such zone.
    """
    return now.astimezone(_zone(timezone)).isoformat(timespec="seconds")


def _zone(name: str | None) -> tzinfo:
    # UTC has to work where no time zone data is installed.
    if name is None or name.upper() in _UTC_NAMES:
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415  only calls that name a zone need it

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ToolError(
            f"there is no time zone {name[:100]!r}; give an IANA name such as Europe/Paris"
        ) from error
