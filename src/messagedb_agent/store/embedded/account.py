"""Which user of the system runs the server. PostgreSQL refuses to be root."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError

VARIABLE = "MESSAGEDB_AGENT_PG_USER"


class Account:
    """The user who runs the server: ours, or for root an unprivileged one."""

    __slots__ = ("gid", "is_other", "uid")

    def __init__(self, uid: int, gid: int, *, is_other: bool) -> None:
        self.uid = uid
        self.gid = gid
        self.is_other = is_other

    def can_enter(self, folder: Path) -> bool:
        """Whether the permissions of a folder and of all above let this user pass."""
        real = folder.resolve()
        return all(self._has(path.stat(), stat.S_IXUSR) for path in (real, *real.parents))

    def can_read(self, info: os.stat_result) -> bool:
        """Whether a file's permissions let this user read it."""
        return self._has(info, stat.S_IRUSR)

    def _has(self, info: os.stat_result, owner_bit: int) -> bool:
        # Only mode bits: with access lists the answer may be no where it could be yes, and
        # then a place is used that is surely reachable.
        if info.st_uid == self.uid:
            return bool(info.st_mode & owner_bit)
        if info.st_gid == self.gid:
            return bool(info.st_mode & owner_bit >> 3)
        return bool(info.st_mode & owner_bit >> 6)


def account_for(folder: Path) -> Account:
    """The account whose server lives, or will live, in `folder`."""
    uid = os.geteuid()
    if uid != 0:
        return Account(uid, os.getegid(), is_other=False)
    # Whoever owns what is there stays its owner: another one could not even open it.
    for path in (folder / "data", folder):
        try:
            info = path.stat()
        except FileNotFoundError:
            continue
        if info.st_uid != 0:
            return Account(info.st_uid, info.st_gid, is_other=True)
    return _unprivileged(os.environ.get(VARIABLE))


def _unprivileged(chosen: str | None) -> Account:
    import pwd  # noqa: PLC0415  does not exist on Windows

    for name in [chosen] if chosen else ["postgres", "nobody"]:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, is_other=True)
    raise EmbeddedServerError(
        f"PostgreSQL does not run as root, and there is no other user {chosen or ''} to run it; "
        f"set {VARIABLE} to an unprivileged user, or DATABASE_URL to a server of yours"
    )
