"""Names under which a model sees the tools of a server: `server__tool`."""

from __future__ import annotations

import hashlib
import re

SEPARATOR = "__"
MAX_SERVER_NAME = 24
MAX_NAME = 64

_SERVER = re.compile(r"[A-Za-z][A-Za-z0-9-]*(_[A-Za-z0-9-]+)*")
_NOT_ALLOWED = re.compile(r"[^A-Za-z0-9_-]")
_MARK_LENGTH = 8


def is_server_name(name: str) -> bool:
    """Whether a server may be called that: where its name ends has to be plain to see."""
    return len(name) <= MAX_SERVER_NAME and _SERVER.fullmatch(name) is not None


def exposed_name(server: str, tool: str) -> str:
    """
    The name for the model.

    Models take letters, digits, `_` and `-`, at most 64. What does not fit is made to, with a
    digest of the real name at its end, so that no two tools of a server get the same name.
    """
    plain = f"{server}{SEPARATOR}{_NOT_ALLOWED.sub('_', tool)}"
    if plain == f"{server}{SEPARATOR}{tool}" and len(plain) <= MAX_NAME and tool:
        return plain
    mark = hashlib.sha256(tool.encode("utf-8", "surrogatepass")).hexdigest()[:_MARK_LENGTH]
    return f"{plain[: MAX_NAME - _MARK_LENGTH - 1]}_{mark}"


def belongs_to(server: str, name: object) -> bool:
    """Whether a name is one of this server's tools."""
    return isinstance(name, str) and name.startswith(f"{server}{SEPARATOR}")
