"""Where this program's own files are."""

from __future__ import annotations

from pathlib import Path

from messagedb_agent.config import Config
from messagedb_agent.errors import EmbeddedServerError


def home_of(config: Config) -> Path:
    """The folder that is set up, or else the user's. Raises `EmbeddedServerError` without one."""
    from messagedb_agent.store.embedded import default_home

    return config.home or default_home(config.environ)


def folder_of_rates(config: Config) -> Path | None:
    """Where to keep what models charge; None where there is no place for it."""
    try:
        return home_of(config)
    except EmbeddedServerError:
        return None
