"""Where the private server lives when nobody says otherwise."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError

NAME = "messagedb-agent"
VARIABLE = "MESSAGEDB_AGENT_HOME"


def default_home(environ: Mapping[str, str]) -> Path:
    """`MESSAGEDB_AGENT_HOME`, or this platform's folder for a user's data."""
    chosen = environ.get(VARIABLE)
    if chosen:
        if chosen == "~" or chosen.startswith("~/"):
            return (_user_folder(environ, "HOME") / chosen[2:]).absolute()
        return Path(chosen).absolute()
    if sys.platform == "win32":
        return _user_folder(environ, "LOCALAPPDATA") / NAME
    if sys.platform == "darwin":
        return _user_folder(environ, "HOME") / "Library" / "Application Support" / NAME
    shared = Path(environ.get("XDG_DATA_HOME", ""))
    # The XDG specification: a relative path there is invalid and to be ignored.
    if shared.is_absolute():
        return shared / NAME
    return _user_folder(environ, "HOME") / ".local" / "share" / NAME


def _user_folder(environ: Mapping[str, str], variable: str) -> Path:
    folder = environ.get(variable)
    if not folder:
        raise EmbeddedServerError(
            f"{variable} is not set, so there is no place for the database; "
            f"set {VARIABLE} to a writable folder, or DATABASE_URL to a server of yours"
        )
    return Path(folder)
