"""
Access to files of the workspace, and to no others.

A path is resolved first, symbolic links included, and has to end up inside the workspace.
The resolved path is then walked from the workspace's own descriptor, component by component,
following no link: what another process swaps in meanwhile makes the call fail, not escape.
Needs the POSIX calls that are relative to a folder's descriptor.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from messagedb_agent.errors import ToolError

MAX_FILE_BYTES = 10 * 1024 * 1024
_MAX_SHOWN = 200
_VIRTUAL = ("/proc", "/sys", "/dev")
_SECRET = (
    *(".env", ".env.*", "*.env", ".netrc", ".pgpass", ".git-credentials", "*credentials*.json"),
    *("*.pem", "*.key", "*.p12", "id_rsa*", "id_ecdsa*", "id_ed25519*"),
)
_NOT_SECRET = ("*.example", "*.sample", "*.template", "*.pub")


class Location(msgspec.Struct, frozen=True):
    """A place inside a workspace: its real root folder, and the way down from there."""

    root: str
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.parts) or "."

    @property
    def real_path(self) -> str:
        """The absolute path without links."""
        return os.path.join(self.root, *self.parts)  # noqa: PTH118  text in, text out


def locate(workspace: Path, path: str) -> Location:
    """
    Where a path given by the model lies; it need not exist.

    Raises `ToolError` when that is outside of the workspace, or no path at all.
    """
    try:
        root = os.path.realpath(workspace)
        real = os.path.realpath(os.path.join(root, path))  # noqa: PTH118  as above
        os.fsencode(real)
    except (ValueError, OSError) as error:
        raise ToolError(f"{_shown(path)} is not a usable path") from error
    if os.path.commonpath([root, real]) != root:
        raise ToolError(f"{_shown(path)} is outside of the workspace")
    if any(real == virtual or real.startswith(virtual + "/") for virtual in _VIRTUAL):
        raise ToolError(f"{_shown(path)} belongs to the system, not to the workspace")
    return Location(
        root, tuple(part for part in os.path.relpath(real, root).split("/") if part != ".")
    )


def read_bytes(location: Location) -> bytes:
    """
    The contents of a regular file.

    Raises `ToolError` when there is none, when it is not a regular file, holds more than
    `MAX_FILE_BYTES`, or has a name that files with secrets have.
    """
    if location.parts and holds_secrets(location.parts[-1]):
        raise ToolError(f"{location} may hold secrets and is not read")
    with _told(location), folder(location, above=1) as parent:
        return read_at(parent, _last(location))


def read_at(parent: int, name: str) -> bytes:
    """As `read_bytes`, for a name in an open folder; failures of the system are `OSError`."""
    # Without O_NONBLOCK, opening a pipe would wait for its other end.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=parent)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ToolError(f"{name} is not a regular file")
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ToolError(f"{name} has {status.st_size} bytes; at most {MAX_FILE_BYTES} can be read")
    return data


def write_bytes(location: Location, data: bytes) -> bool:
    """
    Replace the contents of a file at once, creating it and its folders where needed.

    An existing file keeps its mode. Returns whether the file is new. Raises `ToolError` when
    the place is taken by something that is no regular file, or can't be written.
    """
    if len(data) > MAX_FILE_BYTES:
        raise ToolError(f"{len(data)} bytes are too many; at most {MAX_FILE_BYTES} can be written")
    with _told(location), folder(location, above=1, create=True) as parent:
        name = _last(location)
        mode = _mode_at(parent, name)
        if mode is not None and not stat.S_ISREG(mode):
            raise ToolError(f"{location} is not a regular file")
        temporary = f".{os.urandom(8).hex()}.tmp"
        try:
            _write_at(parent, temporary, data, mode)
            os.replace(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise
        return mode is None


@contextmanager
def folder(location: Location, *, above: int = 0, create: bool = False) -> Iterator[int]:
    """The descriptor of the folder at a location, or of one `above` it; failures are `OSError`."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    current = os.open(location.root, flags)
    try:
        for part in location.parts[: len(location.parts) - above]:
            if create:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=current)
            deeper = os.open(part, flags, dir_fd=current)
            os.close(current)
            current = deeper
        yield current
    finally:
        os.close(current)


@contextmanager
def _told(location: Location) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ToolError(f"{location}: {error.strerror or error}") from error


@contextmanager
def opened_folder(location: Location) -> Iterator[int]:
    """The descriptor of the folder at a location; raises `ToolError` when it can't be opened."""
    with _told(location), folder(location) as descriptor:
        yield descriptor


def holds_secrets(name: str) -> bool:
    """Whether files of this name usually hold passwords or keys, which no event may contain."""
    lower = name.lower()
    return any(fnmatchcase(lower, pattern) for pattern in _SECRET) and not any(
        fnmatchcase(lower, pattern) for pattern in _NOT_SECRET
    )


def is_binary(data: bytes) -> bool:
    """Whether bytes are no text, judged by their beginning."""
    return b"\0" in data[:8192]


def _last(location: Location) -> str:
    if not location.parts:
        raise ToolError("this is the workspace itself, not a file in it")
    return location.parts[-1]


def _mode_at(parent: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _write_at(parent: int, name: str, data: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o666, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        if mode is not None:
            os.fchmod(descriptor, stat.S_IMODE(mode))
        os.fsync(descriptor)


def _shown(path: str) -> str:
    return repr(path if len(path) <= _MAX_SHOWN else path[:_MAX_SHOWN] + "…")
