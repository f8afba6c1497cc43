"""The folders of one server: where they are, and who may enter them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from messagedb_agent.errors import EmbeddedServerError
from messagedb_agent.store.embedded.account import Account, account_for
from messagedb_agent.store.embedded.home import NAME, VARIABLE

# Linux allows 108 bytes for the address of a socket, macOS 104.
LONGEST_SOCKET = 100
SOCKET = ".s.PGSQL.5432"
# For root, when the server's user can not enter the home.
REFUGES = (Path("/var/lib"), Path("/var/tmp"))  # noqa: S108  checked below like any other folder


class Place:
    """Where the files of one server are, and which account they belong to."""

    __slots__ = ("account", "root", "socket_folder")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.account = account_for(root)
        self.socket_folder = _socket_folder(root, self.account)

    @property
    def socket(self) -> Path:
        """Where the server listens."""
        return self.socket_folder / SOCKET

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "data"

    @property
    def log(self) -> Path:
        """What the server has to say."""
        return self.root / "server.log"

    @property
    def lease_lock(self) -> Path:
        """Held together by all clients."""
        return self.root / "lease.lock"

    @property
    def start_lock(self) -> Path:
        """Held by the one who starts or stops the server."""
        return self.root / "start.lock"

    @property
    def guard_lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "guard.lock"


def locate(home: Path) -> Place:
    """The place that belongs to a home; nothing is made, nothing need exist."""
    pointer = home / "location"
    # Written once: later changes of permissions must not make a database seem lost. Only
    # root needs it, and only from a folder of its own can root believe it.
    if os.geteuid() == 0 and pointer.exists() and pointer.lstat().st_uid == home.stat().st_uid == 0:
        return Place(Path(os.fsdecode(pointer.read_bytes())))
    return Place(home)


def prepare(home: Path) -> Place:
    """Make the folders and files of a home that are missing."""
    if "\n" in str(home):
        raise EmbeddedServerError(
            f"PostgreSQL can not live in a folder with a line break in its name; set {VARIABLE}"
        )
    try:
        _make_folder(home)
        place = locate(home)
        if place.root == home and not place.data.exists() and not place.account.can_enter(home):
            refuge = make_refuge(home)
            _write_pointer(home / "location", refuge)
            place = Place(refuge)
        _make_files(place)
    except OSError as error:
        raise EmbeddedServerError(
            f"can not use {error.filename or home} ({error.strerror}); "
            f"set {VARIABLE} to a writable folder of your own"
        ) from error
    return place


def make_refuge(home: Path) -> Path:
    """
    Root's folder outside of a home, where any user can enter.

    Raises `EmbeddedServerError` when there is none.
    """
    for refuge in refuges(home):
        for folder in (refuge.parent, refuge):
            _make_folder(folder)
            info = folder.lstat()
            if info.st_uid != 0 or not stat.S_ISDIR(info.st_mode) or info.st_mode & 0o022:
                break
        else:
            if Place(refuge).account.can_enter(refuge):
                return refuge
    raise EmbeddedServerError(
        f"PostgreSQL for root can not live in {home}, and its user can enter no other place; "
        f"set {VARIABLE} to a folder that everybody may enter"
    )


def refuges(home: Path) -> list[Path]:
    """Where root's folder outside of a home may be, the best place first."""
    return [base / NAME / _digest(home) for base in REFUGES if base.is_dir()]


def make_private(folder: Path, account: Account) -> None:
    """Make a folder that only `account` (and root) may enter, or check the one that is there."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if account.is_other and folder.lstat().st_uid == 0:
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    if not is_private(folder, account):
        raise EmbeddedServerError(
            f"{folder} is not a folder that belongs to uid {account.uid} alone; "
            f"remove it, or set {VARIABLE} to another folder"
        )


def is_private(folder: Path, account: Account) -> bool:
    """Whether nobody but `account` (and root) can have put anything into `folder`."""
    try:
        info = folder.lstat()
    except OSError:
        return False
    is_closed = not stat.S_IMODE(info.st_mode) & 0o077
    return stat.S_ISDIR(info.st_mode) and info.st_uid == account.uid and is_closed


def _socket_folder(root: Path, account: Account) -> Path:
    inside = root / "s"
    address = os.fsencode(inside / SOCKET)
    # libpq takes a comma for the end of a host, and drivers pass it on as UTF-8.
    if len(address) <= LONGEST_SOCKET and b"," not in address and _is_utf8(address):
        return inside
    # Not TMPDIR: every process of the user must come to the same answer.
    return Path("/tmp", f"{NAME}-{account.uid}-{_digest(root)}")  # noqa: S108  checked: is_private


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _digest(path: Path) -> str:
    from hashlib import sha256  # noqa: PLC0415  loads OpenSSL, which a short path does not need

    return sha256(os.fsencode(path)).hexdigest()[:12]


def _make_folder(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.mkdir()
    except FileExistsError:
        # Somebody else's folder keeps the permissions that it has.
        if not folder.is_dir():
            raise
    else:
        # Root's server runs as another user, who must be able to pass through, not to look.
        folder.chmod(0o711 if os.geteuid() == 0 else 0o700)


def _write_pointer(pointer: Path, folder: Path) -> None:
    new = pointer.with_name(f"location.{os.getpid()}")
    new.write_bytes(os.fsencode(folder))
    new.replace(pointer)


def _make_files(place: Place) -> None:
    owner = place.root.stat()
    for path in (place.start_lock, place.guard_lock, place.log, place.lease_lock):
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            # What root makes in another user's folder, that user must be able to open later.
            if os.geteuid() == 0:
                os.fchown(fd, owner.st_uid, owner.st_gid)
        finally:
            os.close(fd)
